"""The whole smallest engine ends in its predicted clock."""

import pytest

from sim.formal.prove import Mode, Theorem
from sim.formal.sequencer import THEOREMS, engine_harness, program
from tests.formal.support import holds, refuted


@pytest.mark.full
@pytest.mark.parametrize("name", THEOREMS)
def test_an_inference_ends_in_the_predicted_clock(name):
    holds(THEOREMS[name])


@pytest.mark.full
@pytest.mark.parametrize("wrong", [-1, 1])
def test_the_proof_notices_a_prediction_that_is_one_clock_off(wrong):
    compiled = program(convolution=False)
    theorem = Theorem(
        "a wrong prediction",
        lambda: engine_harness(compiled, clocks=compiled.predicted_cycles + wrong),
        Mode.BOUNDED,
        90,
        registers=True,
    )
    assert "predicted" in refuted(theorem)

"""The whole smallest engine ends in its predicted clock."""

import pytest

from sim.formal.prove import Mode, Theorem
from sim.formal.sequencer import PAUSES, THEOREMS, engine_harness, program
from tests.formal.support import holds, refuted

FAST = tuple(name for name in THEOREMS if str(PAUSES[3]) in name)


@pytest.mark.parametrize("name", FAST)
def test_an_inference_ends_in_the_predicted_clock(name):
    holds(THEOREMS[name])


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in FAST])
def test_an_inference_ends_in_the_predicted_clock_however_the_image_comes(name):
    holds(THEOREMS[name])


@pytest.mark.parametrize("wrong", [-1, 1])
def test_the_proof_notices_a_prediction_that_is_one_clock_off(wrong):
    compiled = program(convolution=False)
    theorem = Theorem(
        "a wrong prediction",
        lambda: engine_harness(compiled, (1, 0), clocks=compiled.predicted_cycles + wrong),
        Mode.BOUNDED,
        compiled.predicted_cycles + 25,
        registers=True,
    )
    assert "predicted" in refuted(theorem)

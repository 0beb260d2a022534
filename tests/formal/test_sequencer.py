"""The whole smallest engine ends in its predicted clock."""

import pytest

from hw.systolic.engine import Engine
from hw.systolic.image_loader import ImageLoader
from sim.formal.prove import Mode, Theorem
from sim.formal.sequencer import PAUSES, THEOREMS, engine_harness, program
from tests.formal.support import faulty, holds, refuted

FAST = tuple(name for name in THEOREMS if str(PAUSES[3]) in name)


@pytest.mark.parametrize("name", FAST)
def test_an_inference_ends_in_the_predicted_clock(name):
    holds(THEOREMS[name])


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in FAST])
def test_an_inference_ends_in_the_predicted_clock_however_the_image_comes(name):
    holds(THEOREMS[name])


def broken(engine=Engine, *, late=0, convolution=False):
    """Return why the claims about an engine with a planted fault, or with a prediction ``late`` clocks off, fail."""
    compiled = program(convolution=convolution)
    theorem = Theorem(
        "a planted fault",
        lambda: engine_harness(compiled, (1, 0), engine, clocks=compiled.predicted_cycles + late),
        Mode.BOUNDED,
        compiled.predicted_cycles + 29,
        registers=True,
    )
    return refuted(theorem)


@pytest.mark.parametrize("late", [-1, 1])
def test_the_proof_notices_a_prediction_that_is_one_clock_off(late):
    assert "predicted" in broken(late=late)


def test_the_proof_notices_an_engine_that_stops_with_an_error():
    # The header is another engine's.
    assert "does not stop with an error" in broken(lambda config, words: Engine(config, [words[0] ^ 16, *words[1:]]))


def test_the_proof_notices_an_image_that_is_still_written_with_the_results(monkeypatch):
    def writes_on(loader, m):
        with m.If(~loader.busy):
            m.d.comb += loader.write_enable.eq(1)

    monkeypatch.setattr("hw.systolic.engine.ImageLoader", faulty(ImageLoader, writes_on))
    assert "image and results are never written in one clock" in broken(convolution=True)

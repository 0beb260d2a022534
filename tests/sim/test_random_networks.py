"""Random networks on random engines: every stored number, every logit, every class, and the clocks."""

import os

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from hw.systolic.config import EngineConfig
from sim.runner import SimulatorError
from tests.choosers import DrawnChooser, SeededChooser
from tests.random_cases import (
    QUICK,
    SHAPES,
    command,
    draw_case,
    random_engine,
    refused,
    repeat_case,
    run_cases,
)

COUNT = int(os.environ.get("SHIFTFORGE_RANDOM_NETWORKS", "200"))


def check(engines, count, cache):
    """Run about ``count`` cases, ten in one simulation.

    If some fail, one alone that fails is looked for and shrinks; the message has the command that repeats it.
    """
    compared = run(engines, 2 + count // 5, 10, [Phase.generate], cache)
    assert len(compared) >= count // 2
    print(f"{len(compared)} networks equal")


def run(engines, examples, at_once, phases, cache):
    compared = []

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def equal(data):
        engine = data.draw(st.sampled_from(engines))
        cases = [draw_case(DrawnChooser(data.draw), [engine]) for _ in range(data.draw(st.integers(1, at_once)))]
        cases = [case for case in cases if not refused(case)]
        assume(cases)
        try:
            results = run_cases(cases, cache)
        except SimulatorError as error:
            results = [error]
        compared.extend(cases)
        if not all(getattr(result, "ok", False) for result in results):
            if at_once > 1:
                run([engine], 200, 1, [Phase.generate, Phase.shrink], cache)
            raise AssertionError(f"{results}\nrepeat it with: {command(cases)}")

    equal()
    return compared


@pytest.mark.parametrize("shape", QUICK)
def test_random_networks_are_equal_in_verilog(shape, simulations):
    check([shape], 20, simulations)


def test_random_networks_are_equal_on_random_engines(simulations):
    check([101], 20, simulations)


@pytest.mark.full
@pytest.mark.parametrize("shape", SHAPES)
def test_two_hundred_random_networks_are_equal_in_verilog(shape, simulations):
    check([shape], COUNT, simulations)


@pytest.mark.full
@pytest.mark.parametrize("part", range(5))
def test_two_hundred_random_networks_are_equal_on_random_engines(part, simulations):
    check([4 * part + i for i in range(4)], COUNT // 5, simulations)


@pytest.mark.parametrize("engines", [["4x4 block RAM"], [7]])
def test_the_word_of_a_case_repeats_it(engines):
    case = draw_case(SeededChooser(5), engines)
    again = repeat_case(case.word)
    assert again.engine == case.engine and again.word == case.word and again.pauses == case.pauses
    assert (again.images == case.images).all() and (again.network.run(case.images)["t1"].size > 0)
    for name, values in case.network.run(case.images).items():
        assert (again.network.run(case.images)[name] == values).all()


def test_random_engines_differ_in_everything_that_is_decided():
    engines = [random_engine(SeededChooser(seed)) for seed in range(200)]
    for name in EngineConfig.__dataclass_fields__:
        decided = len({getattr(engine, name) for engine in engines})
        fixed = name in (
            "acc_width", "scaled_width", "output_shift", "max_scale_shift", "min_residual_shift", "max_residual_shift",
            "constant_depth", "memory_words", "coordinate_bits", "mixed_bits", "max_pool", "watchdog_bits",
            "step_bits", "stride_bits", "class_bits",
        )  # fmt: skip
        assert (decided == 1) == fixed, name

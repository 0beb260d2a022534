"""The fast test set notices faults of a small but complete engine."""

import pytest
from rich.console import Console

from bench.verification.mutants import COUNT, SEED, TestSet, judge
from hw.systolic.verilog import emit_verilog
from sim.mutant_design import mutant_config
from sim.mutants import Mutant, Mutants, make_mutants, proved_equivalent


def test_of_forty_mutants_at_least_35_are_killed():
    result = judge(40, Console(quiet=True))
    assert result["made"] == 40
    # Measured: 35 killed, two survivors at most.
    assert result["killed"] >= 35 and len(result["survivors"]) <= 3, result["survivors"]


@pytest.mark.full
def test_nine_of_ten_mutants_that_are_not_proved_equivalent_are_killed():
    result = judge(COUNT, Console())
    assert result["made"] == COUNT >= 200
    # Measured: 212 of 228.
    assert result["killed"] >= 212 and len(result["survivors"]) <= 16, result["survivors"]


def test_a_mutant_that_changes_nothing_is_proved_equivalent_and_one_that_does_is_not():
    mutants: Mutants = make_mutants(emit_verilog(mutant_config()), 40, SEED)
    assert proved_equivalent(mutants, Mutant(1, "mutate -mode none"))
    # The test set kills this one.
    assert not proved_equivalent(mutants, mutants.mutants[0])


def test_the_engine_as_it_is_must_answer_rightly():
    tests = TestSet(mutant_config())
    answers = [[0] for _ in tests.jobs]
    assert len(tests.wrong(answers)) > len(tests.jobs) // 3

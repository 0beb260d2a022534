"""The fast test set notices faults of a small but complete engine."""

import re

import pytest
from rich.console import Console

from bench.verification.mutants import COUNT, SEED, TestSet, judge
from hw.systolic.verilog import MODULE, emit_verilog
from sim.equivalence import INVARIANTS, has_one_clock, proved_equivalent
from sim.mutant_design import mutant_config
from sim.mutants import Mutant, Mutants, make_mutants


def test_of_forty_mutants_all_but_one_are_killed_or_proved_equivalent():
    result = judge(40, Console(quiet=True))
    assert result["made"] == 40 == result["killed"] + result["equivalent"] + len(result["survivors"])
    # Measured: no survivor.
    assert len(result["survivors"]) <= 1, result["survivors"]


@pytest.mark.full
def test_98_of_100_mutants_that_are_not_proved_equivalent_are_killed():
    result = judge(COUNT, Console())
    assert result["made"] == COUNT >= 200
    assert result["killed"] >= 0.98 * (result["made"] - result["equivalent"]), result["survivors"]


def test_a_mutant_that_changes_nothing_is_proved_equivalent_and_one_that_does_is_not():
    mutants: Mutants = make_mutants(emit_verilog(mutant_config()), 40, SEED)
    assert proved_equivalent(mutants, Mutant(1, "mutate -mode none"))
    # The test set kills this one.
    assert not proved_equivalent(mutants, mutants.mutants[0])


@pytest.mark.parametrize(
    "wrong",
    [
        # One state is left out: the engine leaves the ones that are assumed.
        "sequencer.fsm_state < 10",
        "sequencer.fsm_state != WEIGHTS || sequencer.weights_left == ALL_WEIGHTS",
    ],
)
def test_what_a_proof_assumes_is_proved(wrong, monkeypatch):
    mutants = make_mutants(emit_verilog(mutant_config()), 1, SEED)
    monkeypatch.setitem(INVARIANTS, "is not so", wrong)
    assert not proved_equivalent(mutants, Mutant(1, "mutate -mode none"))


def test_every_register_has_one_clock_and_another_one_is_noticed():
    mutants = make_mutants(emit_verilog(mutant_config()), 1, SEED)
    assert has_one_clock(mutants, Mutant(1, "mutate -mode none"))
    register = re.search(r"cell \$dff (\S+)\n(?:    .*\n)*?    connect \\Q \\sequencer\.checked\n", mutants.netlist)
    command = f"mutate -mode inv -module {MODULE} -cell {register[1]} -port CLK -portbit 0"
    assert not has_one_clock(mutants, Mutant(1, command))
    assert has_one_clock(mutants, Mutant(1, command.replace("CLK", "D")))


def test_the_engine_as_it_is_must_answer_rightly():
    tests = TestSet(mutant_config())
    answers = [[0] for _ in tests.jobs]
    assert len(tests.wrong(answers)) > len(tests.jobs) // 3

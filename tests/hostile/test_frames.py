"""Corrupted frames in small numbers; ``bench.verification.fuzz`` sends a hundred thousand."""

import pytest

from tests.hostile.frames import ReplyJudge, run_harness
from tests.hostile.guard import judge_one
from tests.hostile.linked_engine import compile_harness

COUNT = 400


def test_the_link_is_alive_after_any_bytes(tmp_path):
    tally = run_harness(compile_harness(tmp_path), COUNT)
    assert tally.crashes == []
    assert sum(tally.verdicts.values()) == COUNT
    # Not everything bounced off: programs were damaged, and the engine said so.
    assert tally.verdicts["reloaded"] > COUNT / 100


@pytest.mark.full
def test_the_harness_sees_a_link_that_never_gives_up(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.hostile.linked_engine.TIMEOUT", 1 << 22)
    tally = run_harness(compile_harness(tmp_path), 100)
    assert {verdict for _, verdict in tally.crashes} >= {"no status"}


def test_corrupted_replies_are_refused_in_a_sentence():
    judge = ReplyJudge()
    seen = {}
    for index in range(5000):
        verdict, error = judge_one(judge, index)
        assert not error, (index, error)
        seen[verdict] = seen.get(verdict, 0) + 1
    assert seen["refused"] > 1000 and seen["read"] > 100

"""Mutated network files in small numbers; ``bench.verification.fuzz`` judges a hundred thousand."""

import numpy as np
import pytest

from hw.graph import Network, NetworkError
from tests.hostile import judge_files
from tests.hostile.guard import judge_one, run_guarded
from tests.hostile.judge_files import FileJudge

COUNT = 2000


def test_mutated_files_are_refused_in_a_sentence_or_run():
    tally = run_guarded(FileJudge, (), COUNT)
    assert tally.crashes == []
    assert sum(tally.verdicts.values()) == COUNT
    # The mutations do not only damage the container: a good part of the files still has a meaning.
    assert tally.verdicts["refused"] > COUNT / 2
    assert tally.verdicts["accepted"] > COUNT / 20


@pytest.mark.parametrize(
    "fault",
    [
        RecursionError("deep"),
        KeyError("name"),
        MemoryError(),
        NetworkError("no file in this sentence"),
        RuntimeWarning("overflow"),
    ],
)
def test_the_judge_sees_a_reader_that_fails_otherwise(monkeypatch, fault):
    def broken(path):
        raise fault

    monkeypatch.setattr(judge_files, "load", broken)
    verdict, error = judge_one(FileJudge(), 0)
    assert not verdict and error


@pytest.mark.parametrize("spoil", [lambda values: values + 1, lambda values: values[:1], lambda values: 1 // 0])
def test_the_judge_sees_a_network_that_does_not_run(monkeypatch, spoil):
    judge = FileJudge()
    accepted = next(i for i in range(500) if judge_one(judge, i)[0] == "accepted")
    run = Network.run
    monkeypatch.setattr(Network, "run", lambda self, x: {n: spoil(v.astype(np.int64)) for n, v in run(self, x).items()})
    assert judge_one(judge, accepted)[1]

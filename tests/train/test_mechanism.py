"""The bench of sign flips and initial spreads, a few steps of every method."""

import pytest

from bench.mechanism import METHODS, one_run
from s3train.data import load_digits


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_course(method):
    found = one_run(method, 1.0, 20, load_digits())
    steps = [step for step, _ in found["flips"]]
    assert steps == ([] if method == "float" else [10, 20])
    assert all(0 <= share <= 1 for _, share in found["flips"]) and 0 <= found["accuracy"] <= 1
    assert (found["method"], found["factor"]) == (method, 1.0)

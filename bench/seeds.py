"""Accuracy of the short runs over their seeds, beside the network that each is compared with."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.training import NEIGHBOUR_EPOCHS, NEIGHBOUR_RECIPE

BESIDE = {"resnet8": ("resnet8_sb", "resnet8_se"), "resnet8_strided": ("resnet8_aps",)}
"""Networks by what they are compared with: attention with none, polyphase sampling with strides."""

HEAD = ("network", "weights", "seeds", "accuracy %", "beside", "difference")
"""Of the columns of :func:`over_seeds`."""


def over_seeds(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, int, str, str, str]]:
    """Yield every network's mean and standard deviation, and those of its differences to the other, seed by seed.

    Parameters
    ----------
    rows : sequence of dict
        Those of ``bench/results/training.json``.
    """
    for weights, bits, recipe in (("float", 32, "default"), ("s3", 8, NEIGHBOUR_RECIPE)):
        of: dict[str, dict[int, float]] = {}
        for row in rows:
            kind = (row["method"], row["activation_bits"], row["recipe"], row["epochs"])
            if kind == (weights, bits, recipe, NEIGHBOUR_EPOCHS):
                of.setdefault(row["model"], {})[row["seed"]] = 100 * row["accuracy"]
        for base, others in BESIDE.items():
            for model in (base, *others):
                found = of.get(model, {})
                gaps = [found[seed] - of.get(base, {})[seed] for seed in found if seed in of.get(base, {})]
                if found:
                    beside = (base, _mean(gaps, "+")) if model != base and gaps else ("", "")
                    yield (model, weights, len(found), _mean(list(found.values())), *beside)


def _mean(values: Sequence[float], sign: str = "") -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.2f}{spread}"

"""Holds what the hardware did against the reference: equality of every stored number and every logit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.systolic.compiler import CompiledNetwork
from sim.runner import ImageRun

Reference = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison.

    Attributes
    ----------
    images, equal : int
        Images compared, and those without any difference.
    values : int
        Numbers compared: stored activations, logits, classes.
    cycles : list of int
        Clocks of every image.
    predicted_cycles : int
        Clocks that the compiler predicted.
    first_difference : str
        The first difference in words, or "".
    differences : int
        Numbers that differ, those of missing tensors included.
    """

    images: int
    equal: int
    values: int
    cycles: list[int]
    predicted_cycles: int
    first_difference: str
    differences: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything is equal, the number of clocks included."""
        return self.equal == self.images and all(c == self.predicted_cycles for c in self.cycles)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            "images_checked": self.images,
            "images_equal": self.equal,
            "values_compared": self.values,
            "cycles": {"predicted": self.predicted_cycles, "simulated": sorted(set(self.cycles))},
            "differences": self.differences,
            "first_difference": self.first_difference,
        }


def compare(compiled: CompiledNetwork, runs: Sequence[ImageRun], reference: Reference) -> Comparison:
    """Compare runs with the reference's stored tensors and logits (first axis: images)."""
    network = compiled.network
    equal, values, differences, first = 0, 0, 0, ""
    for i, run in enumerate(runs):
        kept = {*compiled.stored, network.logits.name} - {network.input}
        found = {name: array[i] for name, array in reference.items() if name in kept}
        stored: dict[str, np.ndarray] = dict(compiled.stored_tensors(run.writes))
        stored[network.logits.name] = np.array(run.logits, np.int64)
        difference = ""
        if set(stored) != set(found):
            difference = f"image {i}: tensors {sorted(set(stored) ^ set(found))} are missing"
        before = differences
        for name, want in found.items():
            got = stored.get(name)
            values += want.size
            differences += _count(got, want)
            if got is not None and not difference:
                difference = _difference(i, name, got, want)
        values += 1
        klass = int(np.argmax(found[network.logits.name]))
        if compiled.config.argmax and run.klass != klass:
            differences += 1
            difference = difference or f"image {i}: class {run.klass}, expected {klass}"
        equal += not difference and differences == before
        first = first or difference
    cycles = [run.cycles for run in runs]
    return Comparison(len(runs), equal, values, cycles, compiled.predicted_cycles, first, differences)


def _count(got: np.ndarray | None, want: np.ndarray) -> int:
    return want.size if got is None or got.shape != want.shape else int(np.count_nonzero(got != want))


def _difference(image: int, name: str, got: np.ndarray, want: np.ndarray) -> str:
    if got.shape != want.shape:
        return f"image {image}, {name}: shape {got.shape}, expected {want.shape}"
    where = np.argwhere(got != want)
    if not len(where):
        return ""
    at = tuple(int(v) for v in where[0])
    return f"image {image}, {name} at {at}: {int(got[at])}, expected {int(want[at])} ({len(where)} numbers differ)"

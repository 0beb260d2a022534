"""Adaptive polyphase sampling: every second row and column, from the phase with the largest norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.ops.window import Tensors, Values, lookup

PHASES = ((0, 0), (1, 0), (0, 1), (1, 1))
"""``(i, j)``, first row and column, of every phase; phase ``i + 2j`` is the place in this list."""


@dataclass(frozen=True, eq=False)
class Polyphase:
    """``y[c, a, b] = x[c, 2a + i, 2b + j]`` with the phase ``(i, j)`` of the guide that has the largest ℓ1 norm.

    The norm is the sum of the stored numbers of all channels and positions of the phase; the lowest phase index
    ``i + 2j`` wins ties. Where maps wrap around, a network of such layers has logits that do not change with circular
    shifts of the image (adaptive polyphase sampling, CVPR 2021).

    Parameters
    ----------
    guide : str
        The tensor that is measured: ``input`` itself, or another one of its height and width whose phase is taken
        again (the main branch's for a shortcut). Its zero point is 0.
    """

    name: str
    input: str
    output: str
    guide: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,) if self.guide == self.input else (self.input, self.guide)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        guide = lookup(self.name, "guide", self.guide, tensors)
        size = (source.height, source.width)
        need(
            size[0] % 2 == 0 and size[1] % 2 == 0,
            f"node {self.name!r}: samples a map of {size[0]} x {size[1]}, supported are even sizes",
        )
        need(
            (guide.height, guide.width) == size,
            f"node {self.name!r}: the guide is {guide.height} x {guide.width}, the input {size[0]} x {size[1]}",
        )
        need(guide.zero_point == 0, f"node {self.name!r}: the guide's zero point is {guide.zero_point}, supported is 0")
        need(
            output.shape == (source.channels, size[0] // 2, size[1] // 2),
            f"node {self.name!r}: the output is {output.shape}, half the input's height and width are needed",
        )
        for field in ("bits", "zero_point", "exponent"):
            need(
                getattr(source, field) == getattr(output, field),
                f"node {self.name!r}: the output's {field} must be the input's",
            )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        return {"input": self.input, "output": self.output, "guide": self.guide}, {}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Polyphase:
        """Return the node of a file's fields."""
        return cls(name, fields.take("input", str), fields.take("output", str), fields.take("guide", str))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image: those of the norms."""
        return tensors[self.guide].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height / 2, width / 2)."""
        # argmax takes the first of equal ones.
        chosen = np.argmax(self.norms(values), axis=1)
        x = values[self.input]
        y = np.empty((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), np.uint8)
        for phase, (i, j) in enumerate(PHASES):
            y[chosen == phase] = x[chosen == phase, :, i::2, j::2]
        return y

    def norms(self, values: Values) -> NDArray[np.int64]:
        """Return the norm of every phase, (images, 4)."""
        guide = values[self.guide].astype(np.int64)
        return np.stack([guide[:, :, i::2, j::2].sum(axis=(1, 2, 3)) for i, j in PHASES], axis=1)

    def ties(self, values: Values) -> NDArray[np.bool_]:
        """Return for every image whether two phases have the largest norm: a shift may then choose another one."""
        norms = self.norms(values)
        return np.asarray((norms == norms.max(axis=1, keepdims=True)).sum(axis=1) > 1)

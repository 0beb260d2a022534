"""Concatenation of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.ops.window import Tensors, Values, lookup

MAX_PARTS = 4096
"""Most tensors that are joined."""


@dataclass(frozen=True, eq=False)
class Concatenation:
    """The channels of all ``inputs``, one tensor behind another; the stored numbers stay as they are.

    All tensors have the same format: bits, zero point and exponent.
    """

    name: str
    inputs: tuple[str, ...]
    output: str

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        need(
            len(self.inputs) >= 2, f"node {self.name!r}: concatenates {len(self.inputs)} tensors, at least 2 are needed"
        )
        output = lookup(self.name, "output", self.output, tensors)
        parts = [lookup(self.name, "inputs", name, tensors) for name in self.inputs]
        for part in parts:
            for field in ("height", "width", "bits", "zero_point", "exponent"):
                need(
                    getattr(part, field) == getattr(output, field),
                    f"node {self.name!r}: {field} of {part.name!r:.80} is {getattr(part, field)}, "
                    f"the output's is {getattr(output, field)}; they must be equal",
                )
        channels = sum(part.channels for part in parts)
        need(
            channels == output.channels,
            f"node {self.name!r}: the inputs have {channels} channels, the output has {output.channels}",
        )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        return {"inputs": list(self.inputs), "output": self.output}, {}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Concatenation:
        """Return the node of a file's fields."""
        return cls(name, fields.names("inputs", MAX_PARTS), fields.take("output", str))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        return np.concatenate([values[name] for name in self.inputs], axis=1)

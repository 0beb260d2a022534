"""Channel shift: the channels of a map, rotated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.ops.window import Tensors, Values, check_view, lookup


@dataclass(frozen=True, eq=False)
class ChannelShift:
    """``y[c] = x[(c + shift) mod C]``: the stored numbers in another order (AddressNet, WACV 2019).

    It takes the place of a channel shuffle between grouped convolutions, and costs addresses only.
    """

    name: str
    input: str
    output: str
    shift: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        check_view(self.name, source, lookup(self.name, "output", self.output, tensors))
        need(
            0 <= self.shift < source.channels,
            f"node {self.name!r}: shift is {self.shift}, supported are 0 to {source.channels - 1}",
        )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        return {"input": self.input, "output": self.output, "shift": self.shift}, {}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> ChannelShift:
        """Return the node of a file's fields."""
        return cls(name, fields.take("input", str), fields.take("output", str), fields.take("shift", int))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image: it has none."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the output (images, channels, height, width)."""
        return np.roll(values[self.input], -self.shift, axis=1)

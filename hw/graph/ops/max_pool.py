"""Max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields, padding_field
from hw.graph.ops.window import Padding, Tensors, Values, check_window, check_wrap, lookup, pooled, wrapped


@dataclass(frozen=True, eq=False)
class MaxPool:
    """The largest stored number of each window, of the elements inside the map.

    Parameters
    ----------
    circular : bool
        The map wraps around, and windows reach to its other end.
    """

    name: str
    input: str
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    circular: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        check_window(self.name, self.kernel, self.stride, self.padding, source, output)
        if self.circular:
            check_wrap(self.name, self.padding, source)
        for field in ("channels", "bits", "zero_point", "exponent"):
            need(
                getattr(source, field) == getattr(output, field),
                f"node {self.name!r}: the output's {field} must be the input's",
            )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields = {
            "input": self.input,
            "output": self.output,
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": padding_field(self.padding),
        }
        return fields | ({"circular": True} if self.circular else {}), {}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> MaxPool:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        stride, kernel = fields.pair("stride"), fields.pair("kernel")
        return cls(name, source, output, kernel, stride, fields.padding(), fields.flag("circular"))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].elements * self.kernel[0] * self.kernel[1]

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        x, padding = values[self.input].astype(np.int64), self.padding
        if self.circular:
            x, padding = wrapped(x, padding), Padding()
        # Numbers are not negative, and every window has an element inside: 0 outside changes nothing.
        return pooled(x, self.kernel, self.stride, padding, np.maximum).astype(np.uint8)

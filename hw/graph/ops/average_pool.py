"""Average pooling with a power-of-two divisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields, padding_field, rescale_arrays
from hw.graph.ops.window import Padding, Tensors, Values, check_window, lookup, pooled
from hw.graph.rescale import Rescale


@dataclass(frozen=True, eq=False)
class AveragePool:
    """``acc = Σ(u - z)`` over the window (``z`` outside the map), then the output formula.

    The divisor of N elements is ``2^ceil(log2 N)``: a window that is no power of two is trained with the next
    power of two as its divisor.
    """

    name: str
    input: str
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    rescale: Rescale

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        check_window(self.name, self.kernel, self.stride, self.padding, source, output)
        need(source.channels == output.channels, f"node {self.name!r}: a pool keeps the number of channels")
        self.rescale.validate(self.name, output.channels, residual=False)
        need(not self.rescale.t.any(), f"node {self.name!r}: rescale.t must be 0")
        elements = self.kernel[0] * self.kernel[1]
        shift = output.exponent - source.exponent - (elements - 1).bit_length()
        got = self.rescale.p - self.rescale.s
        need(
            bool((got == shift).all()),
            f"node {self.name!r}: rescale.p - rescale.s must be {shift}, the power-of-two divisor of {elements} "
            f"elements and the tensors' exponents",
        )
        most = np.full(source.channels, elements * source.maximum)
        self.rescale.check_total(self.name, -most, most, (0, 0))

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields = {
            "input": self.input,
            "output": self.output,
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": padding_field(self.padding),
        }
        return fields, rescale_arrays(self.rescale)

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> AveragePool:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        stride, kernel, padding = fields.pair("stride"), fields.pair("kernel"), fields.padding()
        return cls(name, source, output, kernel, stride, padding, fields.rescale(fields.channels(output)))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].elements * self.kernel[0] * self.kernel[1]

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        x = values[self.input].astype(np.int64) - tensors[self.input].zero_point
        sums = pooled(x, self.kernel, self.stride, self.padding, np.add)
        return self.rescale.apply(sums, 0, tensors[self.output])

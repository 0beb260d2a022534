"""Addition of two stored tensors without a convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields, rescale_arrays
from hw.graph.ops.window import Tensors, Values, lookup
from hw.graph.rescale import Rescale


@dataclass(frozen=True, eq=False)
class Add:
    """The output formula with ``acc = u - z`` of ``input`` and ``residual`` as the residual operand."""

    name: str
    input: str
    residual: str
    output: str
    rescale: Rescale

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input, self.residual)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        other = lookup(self.name, "residual", self.residual, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        need(
            source.shape == other.shape == output.shape,
            f"node {self.name!r}: adds {source.shape} and {other.shape} to {output.shape}, shapes must be equal",
        )
        self.rescale.validate(self.name, output.channels, residual=True)
        most = np.full(source.channels, source.maximum)
        self.rescale.check_total(self.name, -most, most, (-other.zero_point, other.maximum))

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields = {"input": self.input, "residual": self.residual, "output": self.output}
        return fields, rescale_arrays(self.rescale)

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Add:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        return cls(name, source, fields.take("residual", str), output, fields.rescale(fields.channels(output)))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        acc = values[self.input].astype(np.int64) - tensors[self.input].zero_point
        r = values[self.residual].astype(np.int64) - tensors[self.residual].zero_point
        return self.rescale.apply(acc, r, tensors[self.output])

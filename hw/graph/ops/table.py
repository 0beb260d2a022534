"""A function of one stored number, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.ops.window import Tensors, Values, lookup


@dataclass(frozen=True, eq=False)
class Table:
    """``y = table[x]`` for every stored number: a tanh, for example.

    Parameters
    ----------
    table : uint8 (2^bits,)
        The output for every number that the input can be.
    """

    name: str
    input: str
    output: str
    table: NDArray[np.uint8]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        need(
            source.shape == output.shape,
            f"node {self.name!r}: the input is {source.shape}, the output {output.shape}; they must be equal",
        )
        need(
            self.table.dtype == np.uint8 and self.table.shape == (source.maximum + 1,),
            f"node {self.name!r}: the table has {self.table.size} entries, {source.bits} bits need "
            f"{source.maximum + 1}",
        )
        most = int(self.table.max())
        need(
            most <= output.maximum,
            f"node {self.name!r}: the table has {most}, the output's {output.bits} bits reach {output.maximum}",
        )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        return {"input": self.input, "output": self.output}, {"table": self.table}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Table:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        entries = fields.tensors[source].maximum + 1 if source in fields.tensors else 0
        return cls(name, source, output, fields.array("table", np.uint8, (entries,)))

    def work(self, tensors: Tensors) -> int:
        """Return the look-ups for an image."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        return np.asarray(self.table[values[self.input]])

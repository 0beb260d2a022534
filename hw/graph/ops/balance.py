"""The balance of shift-and-balance attention: one signed number a channel, added to a whole map."""

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
class Balance:
    """The output formula with ``acc_c = sign_c·(u_c - z)`` of ``input``, and the map ``residual`` as residual operand.

    ``input`` has one number a channel. With ``2^p`` and ``2^-s`` of the formula it is ``y = x + λ·a`` for a λ that is
    a signed power of two, or 0, in every channel.

    Parameters
    ----------
    sign : int8 (channels,)
        -1, 0 or 1.
    """

    name: str
    input: str
    residual: str
    output: str
    sign: NDArray[np.int8]
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
            other.shape == output.shape,
            f"node {self.name!r}: residual is {other.shape}, the output {output.shape}; they must be equal",
        )
        need(
            source.shape == (output.channels, 1, 1),
            f"node {self.name!r}: the input is {source.shape}, one number a channel is needed: "
            f"{(output.channels, 1, 1)}",
        )
        need(
            self.sign.dtype == np.int8
            and self.sign.shape == (output.channels,)
            and bool((np.abs(self.sign.astype(np.int64)) <= 1).all()),
            f"node {self.name!r}: sign must be {output.channels} numbers of -1, 0 and 1",
        )
        self.rescale.validate(self.name, output.channels, residual=True)
        most = np.full(source.channels, source.maximum)
        self.rescale.check_total(self.name, -most, most, (-other.zero_point, other.maximum))

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields = {"input": self.input, "residual": self.residual, "output": self.output}
        return fields, {"sign": self.sign, **rescale_arrays(self.rescale)}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Balance:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        channels = fields.channels(output)
        sign = fields.array("sign", np.int8, (channels,))
        return cls(name, source, fields.take("residual", str), output, sign, fields.rescale(channels))

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, channels, height, width)."""
        a = values[self.input].astype(np.int64) - tensors[self.input].zero_point
        r = values[self.residual].astype(np.int64) - tensors[self.residual].zero_point
        acc = np.broadcast_to(a * self.sign.astype(np.int64)[None, :, None, None], r.shape)
        return self.rescale.apply(acc, r, tensors[self.output])

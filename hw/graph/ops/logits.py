"""The last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.alphabet import Alphabet
from hw.graph.errors import need
from hw.graph.ops.convolution import check_weight, weight_bounds
from hw.graph.ops.fields import Arrays, Fields, weight_fields
from hw.graph.ops.window import Tensors, Values, lookup


@dataclass(frozen=True, eq=False)
class Logits:
    """``logit = Σ w·(u - z) + bias`` over the whole map: signed 32 bits, not rounded.

    Parameters
    ----------
    name, input : str
        Name of the node and of the tensor it reads.
    weight : int32 (classes, channels, height, width)
        Weight values.
    alphabet : Alphabet
        The layer's weight alphabet.
    bias : int64 (classes,)
        In units of a logit, within 32 bits.
    exponent : int
        Real value of a logit is ``logit * 2^-exponent``.
    """

    name: str
    input: str
    weight: NDArray[np.int32]
    alphabet: Alphabet
    bias: NDArray[np.int64]
    exponent: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    @property
    def output(self) -> str:
        """Name under which the logits are returned: the node's own."""
        return self.name

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        check_weight(self.name, self.weight, self.alphabet)
        need(
            self.weight.shape[1:] == source.shape,
            f"node {self.name!r}: weight covers {self.weight.shape[1:]}, the map is {source.shape}",
        )
        need(len(self.weight) <= 1000, f"node {self.name!r}: {len(self.weight)} classes, supported are up to 1000")
        need(
            isinstance(self.bias, np.ndarray)
            and self.bias.dtype == np.int64
            and self.bias.shape == self.weight.shape[:1],
            f"node {self.name!r}: bias must be {len(self.weight)} 64-bit integers",
        )
        need(
            isinstance(self.exponent, int) and abs(self.exponent) <= 31,
            f"node {self.name!r}: exponent is {self.exponent}, supported are -31 to 31",
        )
        low, high = weight_bounds(self.weight, source.maximum)
        shift = source.zero_point * self.weight.reshape(len(self.weight), -1).astype(np.int64).sum(axis=1)
        need(
            bool((low - shift + self.bias >= -(1 << 31)).all() and (high - shift + self.bias < 1 << 31).all()),
            f"node {self.name!r}: a logit can pass 32 bits",
        )

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields, arrays = weight_fields(self.name, self.alphabet, self.weight)
        return fields | {"input": self.input, "exponent": self.exponent}, arrays | {"bias": self.bias.astype(np.int32)}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Logits:
        """Return the node of a file's fields."""
        source, exponent = fields.take("input", str), fields.take("exponent", int)
        alphabet, weight = fields.weight()
        bias = fields.array("bias", np.int32, (len(weight),)).astype(np.int64)
        return cls(name, source, weight, alphabet, bias, exponent)

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return self.weight.size

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.int32]:
        """Return the logits (images, classes)."""
        x = values[self.input].astype(np.int64) - tensors[self.input].zero_point
        rows = x.reshape(len(x), -1)
        return (rows @ self.weight.reshape(len(self.weight), -1).astype(np.int64).T + self.bias).astype(np.int32)

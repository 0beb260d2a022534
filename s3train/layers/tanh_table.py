"""Tanh as a table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hw import graph
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers.operation import Operation

RANGE_BITS = 2
"""The input reaches from -4 to 4, where tanh is 1 but for 0.0007."""


def input_exponent(bits: int) -> int:
    """Return the exponent of the input, the same everywhere, so that all tanhs of a network are one table."""
    return bits - 1 - RANGE_BITS


class TanhTable(Operation):
    """``floor(tanh(x)·2^f + 1/2)·2^-f`` with ``f = bits - 1``, of stored numbers on a grid of ``2^(3 - bits)``.

    The gradient is tanh's.

    Parameters
    ----------
    bits : int
        Of the input and the output, both signed.
    """

    table: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.zero = 1 << bits - 1
        x = torch.ldexp(torch.arange(2 << bits - 1).double() - self.zero, torch.tensor(-input_exponent(bits)))
        stored = torch.floor(torch.tanh(x) * (1 << bits - 1) + 0.5) + self.zero
        self.register_buffer("table", stored.clamp(0, (2 << bits - 1) - 1).long(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the table's numbers for ``x``, which is on the input's grid."""
        index = torch.ldexp(x.detach().double(), torch.tensor(input_exponent(self.bits))).round().long() + self.zero
        value = (self.table[index] - self.zero).to(x.dtype) * 2.0 ** (1 - self.bits)
        if not self.training:
            return value
        smooth = torch.tanh(x)
        return smooth + (value - smooth).detach()

    def check(self, name: str, formats: Sequence[TensorFormat]) -> None:
        """Raise ``UnsupportedModelError`` unless the input is on the table's grid."""
        wanted = TensorFormat(self.bits, self.zero, input_exponent(self.bits))
        if formats[0] != wanted:
            raise UnsupportedModelError(f"{name}: tanh is supported behind a layer with a batch norm and without ReLU")

    def format(self, formats: Sequence[TensorFormat]) -> TensorFormat:
        """Return the format of the output."""
        return TensorFormat(self.bits, self.zero, self.bits - 1)

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the table's stored numbers."""
        return self.table[inputs[0]]

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        return graph.Table(name, sources[0].name, output, self.table.cpu().numpy().astype("uint8"))

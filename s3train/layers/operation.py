"""Layers that are one operation of the integer network, beside those with weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hw.graph import Node
from hw.graph import Tensor as StoredTensor
from s3train.formats import TensorFormat


class Operation(nn.Module):
    """A layer that says itself what becomes of it: in training, in integers, and as a node of the integer network.

    Converting, exporting and the integer reference know this class only: another such layer is a subclass, and an
    operation of the integer network. Where several tensors come in, the first one gives what is not said.
    """

    def check(self, name: str, formats: Sequence[TensorFormat]) -> None:
        """Raise :class:`~s3train.formats.UnsupportedModelError` if inputs of these formats are not taken."""

    def format(self, formats: Sequence[TensorFormat]) -> TensorFormat:
        """Return the format of the output."""
        return formats[0]

    def shape(self, shapes: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
        """Return the output's (channels, height, width)."""
        return shapes[0]

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the output of stored numbers (int64), as stored numbers."""
        raise NotImplementedError

    def node(self, name: str, sources: Sequence[StoredTensor], output: str) -> Node:
        """Return the operation of the integer network."""
        raise NotImplementedError

"""Layers that move stored numbers and change none: what the hardware does with addresses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from s3train.formats import TensorFormat
from s3train.layers.operation import Operation


class StoredView(Operation):
    """An operation whose output has its input's numbers, shape and format, in other places."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the moved map (images, channels, height, width); 0 comes from outside."""
        return self.move(x, 0)

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the moved map of stored numbers; the zero point comes from outside."""
        return self.move(inputs[0], formats[0].zero_point)

    def move(self, x: Tensor, outside: int) -> Tensor:
        """Return the moved map, of real or of stored numbers; ``outside`` is what comes from outside of the map."""
        raise NotImplementedError

"""Layers that move stored numbers and change none: what the hardware does with addresses."""

from __future__ import annotations

from torch import Tensor, nn

from hw.graph import Node


class StoredView(nn.Module):
    """A layer whose output has its input's numbers, shape and format, in other places.

    Converting, exporting and the integer reference know this class only: another such layer is a subclass, and an
    operation of the integer network.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the moved map (images, channels, height, width); 0 comes from outside."""
        return self.move(x, 0)

    def move(self, x: Tensor, outside: int) -> Tensor:
        """Return the moved map, of real or of stored numbers; ``outside`` is what comes from outside of the map."""
        raise NotImplementedError

    def node(self, name: str, source: str, output: str) -> Node:
        """Return the operation of the integer network."""
        raise NotImplementedError

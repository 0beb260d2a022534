"""AddressNet's shift primitives (He et al., WACV 2019): moves instead of shuffles, spatial kernels and additions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hw import graph
from s3train.layers.stored_view import StoredView

EIGHT_DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1))
"""``(dy, dx)`` to the eight neighbours of a pixel, opposite ones side by side."""


class ChannelShift(StoredView):
    """``y[:, c] = x[:, (c + shift) mod C]``: takes the place of a channel shuffle between grouped convolutions.

    Parameters
    ----------
    shift : int
        Channels; ``C / (2 g)`` mixes the groups of a next layer with ``g`` of them.

    Raises
    ------
    ValueError
        If the shift is negative, or at the first call if the map has no more channels than the shift.
    """

    def __init__(self, shift: int) -> None:
        super().__init__()
        if shift < 0:
            raise ValueError(f"a channel shift must be 0 or more, got {shift}")
        self.shift = shift

    def move(self, x: Tensor, outside: int) -> Tensor:
        """Return the rotated map: two slices, one behind the other."""
        if self.shift >= x.shape[1]:
            raise ValueError(f"a channel shift of {self.shift} needs more channels than the map's {x.shape[1]}")
        return torch.cat((x[:, self.shift :], x[:, : self.shift]), 1)

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        return graph.ChannelShift(name, sources[0].name, output, self.shift)

    def extra_repr(self) -> str:
        """Return the parameters for ``print``."""
        return str(self.shift)


class AddressShift(StoredView):
    """``y[:, c, i, j] = x[:, c, i + dy, j + dx]`` with the offset of the channel's group; zeros come from outside.

    With convolutions of 1 x 1 it takes the place of spatial ones.

    Parameters
    ----------
    offsets : sequence of (int, int)
        ``(dy, dx)`` of every group of channels, in their order. The channels must divide by their number.
    circular : bool
        The map wraps around instead of zeros.

    Raises
    ------
    ValueError
        If there is no offset or one of more than 7 pixels, or at the first call if the channels do not divide.
    """

    def __init__(self, offsets: Sequence[tuple[int, int]] = EIGHT_DIRECTIONS, *, circular: bool = False) -> None:
        super().__init__()
        self.circular = circular
        self.offsets = tuple((int(dy), int(dx)) for dy, dx in offsets)
        if not self.offsets:
            raise ValueError("an address shift needs an offset")
        for dy, dx in self.offsets:
            if max(abs(dy), abs(dx)) > graph.MAX_OFFSET:
                raise ValueError(f"an address shift of ({dy}, {dx}) pixels, supported are up to {graph.MAX_OFFSET}")

    def move(self, x: Tensor, outside: int) -> Tensor:
        """Return the moved map: a slice of the map for every group, or a few that wrap around."""
        channels, groups = x.shape[1], len(self.offsets)
        if channels % groups:
            raise ValueError(f"an address shift of {groups} groups cannot move a map of {channels} channels")
        moved: Tensor = _Move.apply(x, self.offsets, self.circular, outside)  # type: ignore[no-untyped-call]
        return moved

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        return graph.AddressShift(name, sources[0].name, output, self.offsets, self.circular)

    def extra_repr(self) -> str:
        """Return the parameters for ``print``."""
        return str(self.offsets)


class _Move(torch.autograd.Function):
    """Copies slices into a map of the same memory format, which a concatenation of slices would not keep."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, offsets: tuple[tuple[int, int], ...], circular: bool, outside: int) -> Tensor:
        ctx.offsets, ctx.circular = offsets, circular
        return _moved(x, offsets, circular, outside)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        back = tuple((-dy, -dx) for dy, dx in ctx.offsets)
        return _moved(grad, back, ctx.circular, 0), None, None, None


def _moved(x: Tensor, offsets: Sequence[tuple[int, int]], circular: bool, outside: int) -> Tensor:
    _, channels, height, width = x.shape
    size = channels // len(offsets)
    out = torch.empty_like(x) if circular else torch.full_like(x, outside)
    for g, (dy, dx) in enumerate(offsets):
        group = slice(g * size, (g + 1) * size)
        for rows, rows_from in _slices(height, dy, circular):
            for columns, columns_from in _slices(width, dx, circular):
                out[:, group, rows, columns] = x[:, group, rows_from, columns_from]
    return out


def _slices(size: int, offset: int, circular: bool) -> list[tuple[slice, slice]]:
    """Return where the numbers of a line go, and where they come from."""
    if not circular:
        length = max(0, size - abs(offset))
        to, start = max(0, -offset), max(0, offset)
        return [(slice(to, to + length), slice(start, start + length))]
    around = offset % size
    behind = [(slice(size - around, size), slice(0, around))] if around else []
    return [(slice(0, size - around), slice(around, size)), *behind]


class ShortcutShift(nn.Module):
    """The new channels behind the old ones, whose places are allocated together: a residual path without an addition.

    It is a concatenation, and is converted as one.
    """

    def forward(self, old: Tensor, new: Tensor) -> Tensor:
        """Return (images, old channels + new channels, height, width)."""
        return torch.cat((old, new), 1)

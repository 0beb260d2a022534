"""Address shift: every group of channels, moved by pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.ops.window import Tensors, Values, check_view, lookup

MAX_OFFSET = 7
"""Most pixels that a group is moved by."""


@dataclass(frozen=True, eq=False)
class AddressShift:
    """``y[c, i, j] = x[c, i + dy, j + dx]`` with ``(dy, dx)`` of the channel's group; outside the map it is ``z``.

    With convolutions of 1 x 1 it takes the place of spatial ones (AddressNet, WACV 2019).

    Parameters
    ----------
    offsets : tuple of (int, int)
        ``(dy, dx)`` of every group, in the order of channels; groups are of one size.
    circular : bool
        The map wraps around instead.
    """

    name: str
    input: str
    output: str
    offsets: tuple[tuple[int, int], ...]
    circular: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        check_view(self.name, source, lookup(self.name, "output", self.output, tensors))
        groups = len(self.offsets)
        need(
            groups >= 1 and source.channels % groups == 0,
            f"node {self.name!r}: {groups} groups do not divide {source.channels} channels",
        )
        for dy, dx in self.offsets:
            need(
                abs(dy) <= MAX_OFFSET and abs(dx) <= MAX_OFFSET,
                f"node {self.name!r}: offset ({dy}, {dx}), supported are up to {MAX_OFFSET} pixels",
            )

    def of_channel(self, channel: int, channels: int) -> tuple[int, int]:
        """Return ``(dy, dx)`` of a channel of ``channels``."""
        return self.offsets[channel * len(self.offsets) // channels]

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        flat = [number for offset in self.offsets for number in offset]
        fields = {"input": self.input, "output": self.output, "groups": len(self.offsets), "offsets": flat}
        return fields | ({"circular": True} if self.circular else {}), {}

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> AddressShift:
        """Return the node of a file's fields."""
        source, output, groups = fields.take("input", str), fields.take("output", str), fields.take("groups", int)
        flat = fields.integers("offsets", 2 * groups)
        offsets = tuple(zip(flat[::2], flat[1::2], strict=True))
        return cls(name, source, output, offsets, fields.flag("circular"))

    def work(self, tensors: Tensors) -> int:
        """Return the elements that are moved for an image."""
        return tensors[self.output].elements

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the output (images, channels, height, width)."""
        x = values[self.input]
        result = np.full_like(x, tensors[self.input].zero_point)
        size = x.shape[1] // len(self.offsets)
        for g, (dy, dx) in enumerate(self.offsets):
            channels = slice(g * size, (g + 1) * size)
            if self.circular:
                result[:, channels] = np.roll(x[:, channels], (-dy, -dx), axis=(2, 3))
                continue
            to_y, from_y = _overlap(dy, x.shape[2])
            to_x, from_x = _overlap(dx, x.shape[3])
            result[:, channels, to_y, to_x] = x[:, channels, from_y, from_x]
        return result


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Return where the part of a row that stays inside goes, and where it comes from."""
    low, high = max(0, -offset), min(size, size - offset)
    high = max(low, high)
    return slice(low, high), slice(low + offset, high + offset) if high > low else slice(0, 0)

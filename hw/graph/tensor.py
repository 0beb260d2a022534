"""Stored tensors of the integer network."""

from __future__ import annotations

from dataclasses import dataclass

from hw.graph.errors import need, need_name

MAX_SIZE = 4096
"""Largest number of channels, rows or columns."""

MAX_ELEMENTS = 1 << 22
"""Largest number of elements of a map."""

MAX_WEIGHTS = 1 << 24
"""Largest number of elements of a weight."""

MAX_TOTAL = 1 << 26
"""Largest number of elements of all maps of a network together, and of all its weights."""

MAX_WORK = 1 << 32
"""Largest number of additions for an image: what the reference does in less than half a minute."""


@dataclass(frozen=True)
class Tensor:
    """A map of unsigned ``bits``-bit integers ``u``; the real value is ``(u - zero_point) * 2^-exponent``.

    Parameters
    ----------
    name : str
        Name, unique in its network.
    channels, height, width : int
        Shape, 1 to 4096 each. One-dimensional signals have height 1, vectors height and width 1.
    bits : int
        Width of an element, 2 to 8.
    zero_point : int
        0, or ``2^(bits-1)`` for a signed tensor.
    exponent : int
        Binary exponent ``f``, -31 to 31.
    """

    name: str
    channels: int
    height: int
    width: int
    bits: int
    zero_point: int
    exponent: int

    def __post_init__(self) -> None:
        where = f"tensor {self.name!r:.80}"
        need_name(self.name, where)
        for field in ("channels", "height", "width", "bits", "zero_point", "exponent"):
            value = getattr(self, field)
            need(isinstance(value, int) and not isinstance(value, bool), f"{where}: {field} must be an integer")
        for field in ("channels", "height", "width"):
            value = getattr(self, field)
            need(1 <= value <= MAX_SIZE, f"{where}: {field} is {value}, supported are 1 to {MAX_SIZE}")
        need(self.channels * self.height * self.width <= MAX_ELEMENTS, f"{where}: more than {MAX_ELEMENTS} elements")
        need(2 <= self.bits <= 8, f"{where}: bits is {self.bits}, supported are 2 to 8")
        need(
            self.zero_point in (0, 1 << self.bits - 1),
            f"{where}: zero_point is {self.zero_point}, supported are 0 and {1 << self.bits - 1}",
        )
        need(abs(self.exponent) <= 31, f"{where}: exponent is {self.exponent}, supported are -31 to 31")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    @property
    def elements(self) -> int:
        """Number of elements."""
        return self.channels * self.height * self.width

    @property
    def maximum(self) -> int:
        """Largest element."""
        return (1 << self.bits) - 1

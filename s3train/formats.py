"""How a tensor's integers stand for real numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorFormat:
    """Unsigned ``bits``-bit integers ``u`` with real value ``(u - zero_point) * 2^-exponent``."""

    bits: int
    zero_point: int
    exponent: int

    @property
    def maximum(self) -> int:
        """Largest integer."""
        return (1 << self.bits) - 1


class UnsupportedModelError(ValueError):
    """A model has a part that cannot be converted or exported; the sentence names the module and what is supported."""

"""The output formula: from an integer dot product to a stored integer, with one rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.tensor import Tensor

Vector = NDArray[np.int64]

RANGES = {"t": (-1, 1), "j": (0, 4), "s": (0, 20), "p": (0, 15), "k": (0, 15), "b": (-(1 << 31), (1 << 31) - 1)}
"""Smallest and largest value of every field."""


@dataclass(frozen=True, eq=False)
class Rescale:
    """Per output channel, ``u = clamp((T >> s) + z, 0, 2^bits - 1)`` with ``T = (2^j + t)·2^p·acc + 2^k·r + b``.

    Parameters
    ----------
    t, j, s, p, k, b : int64 (channels,)
        The two-term factor ``2^j + t`` (t in -1, 0, 1; j is 0 exactly where t is 0), the right shift ``s``, the
        left shifts ``p`` of the dot product and ``k`` of the residual operand, and bias plus rounding constant.
    """

    t: Vector
    j: Vector
    s: Vector
    p: Vector
    k: Vector
    b: Vector

    @classmethod
    def identity(cls, channels: int) -> Rescale:
        """Return the formula that passes ``acc`` on: factor 1, no shift, no constant."""
        return cls(*(np.zeros(channels, np.int64) for _ in range(6)))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.b)

    @property
    def factor(self) -> Vector:
        """``(2^j + t) * 2^p`` per channel."""
        return ((1 << self.j) + self.t) << self.p

    def validate(self, node: str, channels: int, *, residual: bool) -> None:
        """Raise ``NetworkError`` unless every field is in its range and has one entry a channel."""
        for field, (low, high) in RANGES.items():
            value = getattr(self, field)
            need(
                isinstance(value, np.ndarray) and value.dtype == np.int64 and value.shape == (channels,),
                f"node {node!r}: rescale.{field} must be {channels} 64-bit integers",
            )
            bad = value[(value < low) | (value > high)]
            need(not bad.size, f"node {node!r}: rescale.{field} has {bad[:1]}, supported are {low} to {high}")
        need(bool(((self.t == 0) == (self.j == 0)).all()), f"node {node!r}: rescale.j must be 0 exactly where t is 0")
        need(residual or not self.k.any(), f"node {node!r}: rescale.k must be 0 without a residual operand")

    def total(self, acc: Vector, residual: Vector | int) -> Vector:
        """Return ``T`` for ``acc`` (images, channels, ...) and residual operands ``u_r - z_r`` of the same shape."""
        shape = (1, -1) + (1,) * (acc.ndim - 2)
        scaled = ((acc << self.j.reshape(shape)) + self.t.reshape(shape) * acc) << self.p.reshape(shape)
        return scaled + (np.asarray(residual, np.int64) << self.k.reshape(shape)) + self.b.reshape(shape)

    def apply(self, acc: Vector, residual: Vector | int, output: Tensor) -> NDArray[np.uint8]:
        """Return the stored integers for ``acc`` (images, channels, ...)."""
        shape = (1, -1) + (1,) * (acc.ndim - 2)
        rounded = (self.total(acc, residual) >> self.s.reshape(shape)) + output.zero_point
        return np.asarray(np.clip(rounded, 0, output.maximum), np.uint8)

    def check_total(self, node: str, low: Vector, high: Vector, residual: tuple[int, int]) -> None:
        """Raise ``NetworkError`` if ``T`` can leave 62 bits for ``acc`` in ``low .. high`` (per channel)."""
        most = np.maximum(np.abs(low), np.abs(high)).astype(object) * self.factor.astype(object)
        most = most + max(abs(residual[0]), abs(residual[1])) * (1 << self.k.astype(object)) + np.abs(self.b)
        need(bool((most < 1 << 62).all()), f"node {node!r}: the scaled sum can pass 62 bits")

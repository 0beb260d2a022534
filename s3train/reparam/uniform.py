"""Uniform int4 and int8 weights: the rival that needs multipliers."""

from __future__ import annotations

import torch
from torch import Tensor

from s3train.reparam.straight_through import straight_through
from s3train.reparam.weight_method import WeightMethod


class Uniform(WeightMethod):
    """``round(w / s)`` clamped to ``±(2^(bits-1) - 1)``; ``s`` follows the tensor's spread.

    ``s = min(max|w|, k·σ) / (2^(bits-1) - 1)`` with ``k`` = 3.2 at 4 bits, which is near the least squared error for
    a normal distribution, and 6 at 8 bits.

    Parameters
    ----------
    bits : int
        4 or 8.
    """

    NAME = "uniform"
    BITS = (4, 8)
    LATENT = False

    def __init__(self, bits: int = 8) -> None:
        if bits not in self.BITS:
            raise ValueError(f"{self.NAME} has 4 or 8 bits, got {bits}")
        super().__init__(bits)
        self.deviations = 3.2 if bits == 4 else 6.0

    def forward(self, weight: Tensor) -> Tensor:
        """Return the integer weights."""
        top = (1 << self.bits - 1) - 1
        with torch.no_grad():
            scale = torch.minimum(weight.abs().max(), weight.std() * self.deviations).clamp_min(1e-12) / top
        scaled = (weight / scale).clamp(-top, top)
        return straight_through(scaled, torch.floor(scaled.detach() + 0.5))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself: it is the parameter."""
        return weight

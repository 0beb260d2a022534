"""APoT: additive powers of two (Li et al., ICLR 2020)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from s3train.reparam.straight_through import straight_through
from s3train.reparam.weight_method import WeightMethod


def apot_levels(bits: int) -> list[int]:
    """Return the magnitudes as integers, ascending; at 3 bits ``[0, 1, 2, 4]``.

    A magnitude has ``bits - 1`` bits: the sum of one entry of each of two sets of powers of two, whose exponents
    interleave (Li et al., eq. 5; 3 magnitude bits are split into 2 and 1), scaled so that all are integers.
    """
    first, second = {
        2: ((0.0, 1.0), (0.0,)),
        3: ((0.0, 1.0, 0.5, 0.25), (0.0,)),
        4: ((0.0, 1.0, 0.5, 0.125), (0.0, 0.25)),
        5: ((0.0, 1.0, 0.25, 0.0625), (0.0, 0.5, 0.125, 0.03125)),
    }[bits]
    values = sorted({a + b for a, b in itertools.product(first, second)})
    return [round(value / values[1]) for value in values]


class APoT(WeightMethod):
    """The weight standardised, divided by a learned clip, clamped to ±1, snapped to the nearest level.

    At 3 bits the levels 0, ±1/4, ±1/2, ±1 are S3's alphabet and run on the same gates; at 4 and 5 bits a level is a
    sum of two powers of two, which no engine here has.

    Parameters
    ----------
    bits : int
        2 to 5.
    clip : float
        Start of the learned clip, in standard deviations.
    """

    NAME = "apot"
    BITS = (2, 3, 4, 5)
    LATENT = False
    levels: Tensor

    def __init__(self, bits: int = 3, *, clip: float = 3.0) -> None:
        super().__init__(bits)
        self.clip = nn.Parameter(torch.tensor(clip))
        self.register_buffer("levels", torch.tensor(apot_levels(bits), dtype=torch.float32), persistent=False)

    @property
    def alphabet(self) -> str | None:
        """Name of the hardware's alphabet, ``None`` above 3 bits."""
        return f"s3-{self.bits}" if self.bits <= 3 else None

    def forward(self, weight: Tensor) -> Tensor:
        """Return the integer weights."""
        std, mean = torch.std_mean(weight)
        top = float(self.levels[-1])
        scaled = ((weight - mean) / (std * self.clip)).clamp(-1.0, 1.0) * top
        middles = (self.levels[1:] + self.levels[:-1]) / 2
        size = self.levels[torch.bucketize(scaled.detach().abs(), middles)].to(scaled.dtype)
        return straight_through(scaled, torch.where(scaled >= 0, size, -size) + 0.0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself: it is the parameter."""
        return weight

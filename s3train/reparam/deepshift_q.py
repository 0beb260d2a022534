"""DeepShift-Q (Elhoushi et al., CVPRW 2021): a float weight rounded to a power of two."""

from __future__ import annotations

import torch
from torch import Tensor

from s3train.reparam.straight_through import straight_through
from s3train.reparam.weight_method import WeightMethod, sign_of


class DeepShiftQ(WeightMethod):
    """``sgn(w)·2^round(log2 clamp(|w|, 2^lo, 1))`` with ``lo = -(2^(bits-1) - 1)``, as an integer: times ``2^-lo``.

    The gradient passes unchanged to the float weight, as if the value were not scaled.

    Parameters
    ----------
    bits : int
        2 to 4 (more bits leave the hardware's alphabets).
    """

    NAME = "deepshift_q"
    BITS = (2, 3, 4)
    LATENT = False

    @property
    def lowest(self) -> int:
        """Exponent ``lo`` of the smallest magnitude."""
        return 1 - int(2 ** (self.bits - 1))

    @property
    def alphabet(self) -> str:
        """Name of the hardware's alphabet."""
        return f"dense-{self.bits}"

    def forward(self, weight: Tensor) -> Tensor:
        """Return the integer weights."""
        size = weight.detach().abs().clamp(2.0**self.lowest, 1.0)
        value = sign_of(weight.detach()) * torch.exp2(torch.round(torch.log2(size)) - self.lowest)
        return straight_through(weight, value)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself: it is the parameter."""
        return weight

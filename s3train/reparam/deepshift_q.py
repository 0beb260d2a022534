"""DeepShift-Q (Elhoushi et al., CVPRW 2021): a float weight rounded to a power of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s3train.reparam.start import scaled_to_levels
from s3train.reparam.straight_through import straight_through
from s3train.reparam.weight_method import WeightMethod, sign_of


class DeepShiftQ(WeightMethod):
    """``sgn(w)·2^round(log2 clamp(|w|, 2^lo, 1))`` with ``lo = -(2^(bits-1) - 1)``, as an integer: times ``2^-lo``.

    The gradient passes unchanged to the float weight, as if the value were not scaled. Float weights are small against
    1, and most would begin as the smallest magnitude; so ``w`` is the weight in units of its channel's scale, a
    constant that loses least at the start, as S3's does. (The authors have none.)

    Parameters
    ----------
    bits : int
        2 to 4 (more bits leave the hardware's alphabets).

    Attributes
    ----------
    scale : float tensor (C_out, 1, ...)
        What the float weights are multiplied by.
    """

    NAME = "deepshift_q"
    BITS = (2, 3, 4)
    LATENT = False

    scale: Tensor

    def __init__(self, bits: int = 3) -> None:
        super().__init__(bits)
        self.register_buffer("scale", torch.ones(()))

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
        scaled = weight.detach() * self.scale
        size = scaled.abs().clamp(2.0**self.lowest, 1.0)
        value = sign_of(scaled) * torch.exp2(torch.round(torch.log2(size)) - self.lowest)
        return straight_through(weight, value)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself, it is the parameter; the scale is the one with the least squared error."""
        levels = weight.new_tensor([2.0**k for k in range(1 - self.lowest)])
        axes = tuple(range(1, weight.ndim))
        peaks = [w.abs().amax(axes, keepdim=True) for w in (scaled_to_levels(weight, levels), weight.detach())]
        scale = torch.where(peaks[1] > 0, 2.0**self.lowest * peaks[0] / peaks[1], 1.0)
        self.register_buffer("scale", scale.detach())
        return weight

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        # A network from before there were scales has none.
        state.setdefault(f"{prefix}scale", torch.ones_like(self.scale))
        super()._load_from_state_dict(state, prefix, *args)

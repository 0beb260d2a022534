"""S3's weights with tied latents: one number a weight, from which sign, gate and shifts all follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.reparam.start import scaled_to_levels
from s3train.reparam.straight_through import straight_through
from s3train.reparam.weight_method import WeightMethod


class TiedS3(WeightMethod):
    """The weight in units of its channel's scale, rounded to the nearest of 0, ±1, ±2 … ±2^T; straight-through.

    S3 started from a float weight ``x`` (in those units) has the latents ``x`` for the sign, ``|x| - 1/2`` for the gate
    and ``|x|·2^(1+t-T) - 3/2`` for shift ``t``: distances to where their bits flip. S3 then trains them one by one, and
    they soon have nothing to do with each other, so that a large weight becomes 0 or changes its sign in one step. Here
    they stay what they are at the start, functions of ``x``, and a weight only moves to the level beside its own.

    The channel's root mean square in those units (a linear layer has one for all its weights) is a number of its own,
    so that neither weight decay nor noise shifts the share of zeros. It stays what it is at the start, or is learned
    like the step of LSQ (Esser et al., ICLR 2020).

    Parameters
    ----------
    bits : int
        Width of a weight code, 2 to 5: values 0 and ``±1 … ±2^T``, ``T = 2^(bits-1) - 2``.
    learned_spread : bool
        Whether the spread is learned.

    Attributes
    ----------
    spread : float tensor (C_out, 1, ...) or ()
        Root mean square of the weights in units of the scale; a parameter if it is learned.

    Raises
    ------
    ValueError
        If ``bits`` is not supported.
    """

    NAME = "s3_tied"
    BITS = (2, 3, 4, 5)
    LATENT = False
    levels: Tensor
    spread: Tensor

    def __init__(self, bits: int = 3, *, learned_spread: bool = False) -> None:
        super().__init__(bits)
        self.learned_spread = learned_spread
        levels = torch.tensor([0.0] + [2.0**k for k in range(2 ** (bits - 1) - 1)])
        self.register_buffer("levels", levels, persistent=False)

    @property
    def alphabet(self) -> str:
        """Name of the hardware's alphabet."""
        return f"s3-{self.bits}"

    def forward(self, weight: Tensor) -> Tensor:
        """Return the integer weights."""
        scaled = weight * (self.spread / _root_mean_square(weight).clamp_min(1e-12))
        middles = (self.levels[1:] + self.levels[:-1]) / 2
        size = self.levels[torch.bucketize(scaled.detach().abs(), middles)].to(scaled.dtype)
        # A zero keeps its sign bit clear.
        return straight_through(scaled, torch.where(scaled >= 0, size, -size) + 0.0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself, it is the parameter; the scale with the least squared error gives the spread."""
        spread = _root_mean_square(scaled_to_levels(weight, self.levels.to(weight.device)))
        if self.learned_spread:
            self.spread = nn.Parameter(spread)
        else:
            self.register_buffer("spread", spread)
        return weight


def _root_mean_square(weight: Tensor) -> Tensor:
    """Return it for every output channel of a convolution, (C_out, 1, ...), or for a whole linear layer, ()."""
    axes = tuple(range(1 if weight.ndim > 2 else 0, weight.ndim))
    return weight.square().mean(dim=axes, keepdim=weight.ndim > 2).sqrt()

"""DenseShift (Li et al., ICCV 2023): sign and shift, no zero."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from s3train.reparam.run_length import run_length, run_length_gradient
from s3train.reparam.start import level_latents, scaled_to_levels
from s3train.reparam.weight_method import WeightMethod, sign_of


class DenseShiftFunction(torch.autograd.Function):
    """``w = sgn(w_sign)·2^P``, backward through ``sgn(w_sign)·√(P + 1)``."""

    @staticmethod
    def forward(ctx: Any, latents: Tensor) -> Tensor:
        ctx.save_for_backward(latents)
        return sign_of(latents[0]).mul_(torch.exp2_(run_length(latents[1:])))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (latents,) = ctx.saved_tensors
        out = torch.empty_like(latents)
        root = run_length(latents[1:]).add_(1).sqrt_()
        run_length_gradient(latents[1:], grad * sign_of(latents[0]) * 0.5 / root, out[1:])
        torch.mul(grad, root, out=out[0])
        return out


class DenseShift(WeightMethod):
    """Values ``±1 … ±2^(2^(bits-1) - 1)``, every code used; latents (1 + T, ...) with ``T = 2^(bits-1) - 1``.

    Parameters
    ----------
    bits : int
        2 to 4.
    std : float
        Initial spread of the latents.
    from_weights : bool
        Start from the layer's float weights instead of at random.
    """

    NAME = "denseshift"
    BITS = (2, 3, 4)
    LATENT = True

    def __init__(self, bits: int = 3, *, std: float = 1e-3, from_weights: bool = False) -> None:
        super().__init__(bits)
        if not 0 < std < math.inf:
            raise ValueError(f"the latents' std must be positive and finite, got {std}")
        self.std = std
        self.from_weights = from_weights

    @property
    def shifts(self) -> int:
        """Number of shift latents ``T``, also the largest shift."""
        return int(2 ** (self.bits - 1)) - 1

    @property
    def alphabet(self) -> str:
        """Name of the hardware's alphabet."""
        return f"dense-{self.bits}"

    def forward(self, latents: Tensor) -> Tensor:
        """Return the weights of the latents."""
        result: Tensor = DenseShiftFunction.apply(latents)  # type: ignore[no-untyped-call]
        return result

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return initial latents for a float weight: at random, or such that the result is near ``weight``."""
        if self.from_weights:
            levels = weight.new_tensor([2.0**k for k in range(self.shifts + 1)])
            scaled = scaled_to_levels(weight, levels)
            return torch.stack([self.std * scaled, *level_latents(scaled.abs(), self.shifts, self.std)])
        latents = torch.randn((1 + self.shifts, *weight.shape), dtype=weight.dtype) * self.std
        return latents.to(weight.device)

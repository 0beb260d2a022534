"""DeepShift-PS (Elhoushi et al., CVPRW 2021): sign and shift as parameters of their own."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from s3train.reparam.weight_method import WeightMethod


class DeepShiftPSFunction(torch.autograd.Function):
    """``w = sgn(round(sign))·2^round(clamp(shift, lo, 0))``; ``∂shift = g·s·ln2·2^p``, ``∂sign = g``."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, lowest: int) -> Tensor:
        sign = torch.sign(torch.round(parameters[1]))
        power = torch.exp2(torch.round(parameters[0].clamp(lowest, 0)))
        ctx.save_for_backward(sign, power)
        return sign * power * 2.0**-lowest + 0.0

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        sign, power = ctx.saved_tensors
        return torch.stack([grad * sign * power * math.log(2.0), grad]), None


class DeepShiftPS(WeightMethod):
    """Values 0 and ``±2^lo … ±1`` with ``lo = -(2^(bits-1) - 2)``, as integers: times ``2^-lo``.

    The parameters are (2, ...): shift, sign. The gradient is that of the value before scaling. Initial values as the
    authors': shift uniform in ``[lo, 0]``, sign uniform in ``[-1, 1]``. Wants RAdam, and weight decay of
    ``(2^shift)²``, :func:`s3train.reparam.power_decay`.

    Parameters
    ----------
    bits : int
        2 to 5.
    from_weights : bool
        Start from the layer's float weights, the largest one as 1, instead of at random.
    """

    NAME = "deepshift_ps"
    BITS = (2, 3, 4, 5)
    LATENT = True

    def __init__(self, bits: int = 3, *, from_weights: bool = False) -> None:
        super().__init__(bits)
        self.from_weights = from_weights

    @property
    def lowest(self) -> int:
        """Exponent ``lo`` of the smallest magnitude."""
        return 2 - int(2 ** (self.bits - 1))

    @property
    def alphabet(self) -> str:
        """Name of the hardware's alphabet."""
        return f"s3-{self.bits}"

    def forward(self, parameters: Tensor) -> Tensor:
        """Return the integer weights."""
        result: Tensor = DeepShiftPSFunction.apply(parameters, self.lowest)  # type: ignore[no-untyped-call]
        return result

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return initial parameters: at random, or such that the result is near ``weight``."""
        if self.from_weights:
            size = weight.detach().abs()
            shift = torch.log2((size / size.max().clamp_min(1e-12)).clamp_min(2.0**self.lowest))
            # A weight far below the smallest magnitude is nearer to 0.
            small = size < size.max() * 2.0 ** (self.lowest - 1)
            return torch.stack([shift, torch.where(small, 0.4, 1.0) * torch.sign(weight.detach())])
        shift = torch.rand(weight.shape, dtype=weight.dtype) * self.lowest
        sign = torch.rand(weight.shape, dtype=weight.dtype) * 2 - 1
        return torch.stack([shift, sign]).to(weight.device)

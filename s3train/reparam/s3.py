"""S3: sign-sparse-shift reparametrization (Li et al., NeurIPS 2021)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from s3train.reparam.run_length import run_length, run_length_gradient
from s3train.reparam.start import level_latents, scaled_to_levels
from s3train.reparam.weight_method import WeightMethod, sign_of


class S3Function(torch.autograd.Function):
    """Latents to weights, with the closed form of the straight-through gradient.

    Forward: ``P_0 = 0; P_t = H(w_t)·(P_{t-1} + 1); w = sgn(w_sign)·H(w_sparse)·2^P_T``. Backward: every step
    function and ``sgn`` passes the gradient on unchanged, through ``b(P) = 2^P`` or, if ``root``, through
    ``b(P) = √(P + 1)`` (DenseShift's way: large weights no longer get the larger gradient). Only the latents
    themselves are kept for it, which exist anyway.
    """

    @staticmethod
    def forward(ctx: Any, latents: Tensor, root: bool) -> Tensor:
        ctx.save_for_backward(latents)
        ctx.root = root
        magnitude = torch.exp2_(run_length(latents[2:])).mul_(latents[1] > 0)
        # A zero keeps its sign bit clear.
        return torch.where(latents[0] >= 0, magnitude, -magnitude).add_(0.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (latents,) = ctx.saved_tensors
        out = torch.empty_like(latents)
        run = run_length(latents[2:])
        base = run.add_(1).sqrt_() if ctx.root else torch.exp2_(run)
        torch.mul(grad, sign_of(latents[0]), out=out[1])
        gate = latents[1] > 0
        if len(latents) > 2:
            slope = 0.5 / base if ctx.root else base * math.log(2.0)
            run_length_gradient(latents[2:], slope.mul_(out[1]).mul_(gate), out[2:])
        out[1].mul_(base)
        torch.mul(grad, base.mul_(gate), out=out[0])
        return out, None


def s3_weight(latents: Tensor, *, root: bool = False) -> Tensor:
    """Return the weights, values 0 or ``±2^k``, of stacked latents (2 + T, ...): sign, sparse, shifts."""
    result: Tensor = S3Function.apply(latents, root)  # type: ignore[no-untyped-call]
    return result


class S3(WeightMethod):
    """Parametrization for ``weight`` of Linear, Conv1d and Conv2d.

    ``register_parametrization(layer, "weight", S3(bits=3))`` replaces the weight by one latent tensor of shape
    ``(2 + T, *weight.shape)``, ``T = 2^(bits-1) - 2``.

    Parameters
    ----------
    bits : int
        Width of a weight code, 2 to 5: values 0 and ``±1 … ±2^(2^(bits-1) - 2)``.
    std : float
        Initial spread of the latents. What counts is the learning rate over it: signs move if that is large.
        0 stands for the paper's ``√(2 / (C_out·kh·kw))``.
    gate_offset : float
        Initial mean of the sparse latents in units of ``std``: positive opens the gates.
    root : bool
        DenseShift's backward pass.
    from_weights : bool
        Start from the layer's float weights instead of at random.

    Raises
    ------
    ValueError
        If ``bits`` is not supported.
    """

    NAME = "s3"
    BITS = (2, 3, 4, 5)
    LATENT = True

    def __init__(
        self,
        bits: int = 3,
        *,
        std: float = 0.01,
        gate_offset: float = 2.0,
        root: bool = False,
        from_weights: bool = False,
    ) -> None:
        super().__init__(bits)
        if not 0 <= std < math.inf:
            raise ValueError(f"the latents' std must be finite and not negative, got {std}")
        self.std = std
        self.gate_offset = gate_offset
        self.root = root
        self.from_weights = from_weights

    @property
    def shifts(self) -> int:
        """Number of shift latents ``T``, also the largest shift."""
        return (1 << self.bits - 1) - 2

    @property
    def alphabet(self) -> str:
        """Name of the hardware's alphabet."""
        return f"s3-{self.bits}"

    def forward(self, latents: Tensor) -> Tensor:
        """Return the weights of the latents."""
        return s3_weight(latents, root=self.root)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return initial latents for a float weight: at random, or such that the result is near ``weight``."""
        std = self.std or math.sqrt(2.0 / weight[:, 0].numel())
        if self.from_weights:
            levels = weight.new_tensor([0.0] + [2.0**k for k in range(self.shifts + 1)])
            scaled = scaled_to_levels(weight, levels)
            size = scaled.abs()
            return torch.stack([std * scaled, std * (size - 0.5), *level_latents(size, self.shifts, std)])
        latents = torch.randn((2 + self.shifts, *weight.shape), dtype=weight.dtype) * std
        latents[1] += self.gate_offset * std
        return latents.to(weight.device)

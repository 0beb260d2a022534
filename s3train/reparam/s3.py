"""S3: sign-sparse-shift reparametrization (Li et al., NeurIPS 2021)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class S3Function(torch.autograd.Function):
    """Latents to weights, with the closed form of the straight-through gradient.

    Forward: ``P_0 = 0; P_t = H(w_t)·(P_{t-1} + 1); w = sgn(w_sign)·H(w_sparse)·2^P_T``. Backward: every step
    function and ``sgn`` passes the gradient on unchanged. Only signs and run lengths are kept for it, not the chain
    of intermediate products.
    """

    @staticmethod
    def forward(ctx: Any, latents: Tensor) -> Tensor:
        sign = torch.where(latents[0] >= 0, 1.0, -1.0).to(latents.dtype)
        gate = (latents[1] > 0).to(latents.dtype)
        run = torch.zeros_like(sign)
        runs = []
        for latent in latents[2:]:
            runs.append(run)
            run = torch.where(latent > 0, run + 1, torch.zeros_like(run))
        power = torch.exp2(run)
        ctx.save_for_backward(sign, gate, power, latents[2:] > 0, *runs)
        # + 0.0 turns -0.0 into 0.0.
        return sign * gate * power + 0.0

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        sign, gate, power, steps, *runs = ctx.saved_tensors
        out = torch.empty((2 + len(runs), *grad.shape), dtype=grad.dtype, device=grad.device)
        scaled = grad * power
        out[0] = scaled * gate
        out[1] = scaled * sign
        carried = scaled * sign * gate * math.log(2.0)
        for t in range(len(runs) - 1, -1, -1):
            out[2 + t] = carried * (runs[t] + 1)
            carried = carried * steps[t]
        return out


def s3_weight(latents: Tensor) -> Tensor:
    """Return the weights, values 0 or ``±2^k``, of stacked latents (2 + T, ...): sign, sparse, shifts."""
    result: Tensor = S3Function.apply(latents)  # type: ignore[no-untyped-call]
    return result


class S3(nn.Module):
    """Parametrization for ``weight`` of Linear, Conv1d and Conv2d.

    ``register_parametrization(layer, "weight", S3(bits=3))`` replaces the weight by one latent tensor of shape
    ``(2 + T, *weight.shape)``, ``T = 2^(bits-1) - 2``.

    Parameters
    ----------
    bits : int
        Width of a weight code, 2 to 5: values 0 and ``±1 … ±2^(2^(bits-1) - 2)``.
    std : float
        Initial spread of the latents. What counts is the learning rate over it: signs move if that is large.
    gate_offset : float
        Initial mean of the sparse latents in units of ``std``: positive opens the gates.
    from_weights : bool
        Start from the layer's float weights instead of at random.

    Raises
    ------
    ValueError
        If ``bits`` is not supported.
    """

    def __init__(self, bits: int = 3, *, std: float = 0.01, gate_offset: float = 2.0, from_weights: bool = False):
        super().__init__()
        if bits not in (2, 3, 4, 5):
            raise ValueError(f"S3 has 2 to 5 bits, got {bits}")
        if std <= 0:
            raise ValueError(f"the latents' std must be positive, got {std}")
        self.bits = bits
        self.std = std
        self.gate_offset = gate_offset
        self.from_weights = from_weights

    @property
    def shifts(self) -> int:
        """Number of shift latents ``T``, also the largest shift."""
        return 2 ** (self.bits - 1) - 2

    def forward(self, latents: Tensor) -> Tensor:
        """Return the weights of the latents."""
        return s3_weight(latents)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return initial latents for a float weight: at random, or such that the result is near ``weight``.

        Near: the weights, scaled to the alphabet's middle, are rounded to its nearest value; every latent is ``std``
        away from its threshold.
        """
        if not self.from_weights:
            latents = torch.randn((2 + self.shifts, *weight.shape), dtype=weight.dtype) * self.std
            latents[1] += self.gate_offset * self.std
            return latents.to(weight.device)
        levels = torch.tensor([0.0] + [2.0**k for k in range(self.shifts + 1)], dtype=weight.dtype)
        scale = weight.abs().mean().clamp_min(1e-12) / levels[1:].log2().mean().exp2()
        nearest = ((weight.abs() / scale)[..., None] - levels).abs().argmin(dim=-1)
        high = torch.full_like(weight, self.std)
        latents = torch.empty((2 + self.shifts, *weight.shape), dtype=weight.dtype)
        latents[0] = torch.where(weight >= 0, high, -high)
        latents[1] = torch.where(nearest > 0, high, -high)
        for t in range(self.shifts):
            # A run of k positive latents up to the last one makes a shift by k.
            latents[2 + t] = torch.where(nearest - 1 >= self.shifts - t, high, -high)
        return latents

"""Latents that stand for given float weights."""

from __future__ import annotations

import torch
from torch import Tensor


def scaled_to_levels(weight: Tensor, levels: Tensor) -> Tensor:
    """Return ``weight`` over its scale, so that rounding to the levels loses least.

    A convolution has a scale for every output channel (a batch norm behind it takes it up), a linear layer has one in
    all, because logits are compared with each other.

    Parameters
    ----------
    weight : float tensor (C_out, ...)
        Float weights.
    levels : float tensor (L,)
        Magnitudes of the alphabet, ascending.

    Returns
    -------
    float tensor (C_out, ...)
        The scale is the one of 64 candidates with the least squared error.
    """
    rows = weight.detach().double()
    rows = rows.flatten(1) if weight.ndim > 2 else rows.reshape(1, -1)
    size = rows.abs()
    middles = ((levels[1:] + levels[:-1]) / 2).double()
    peak = size.amax(dim=1, keepdim=True).clamp_min(1e-12) / levels[-1]
    best = torch.full_like(peak, torch.inf)
    scale = peak.clone()
    for step in range(64):
        candidate = peak * 2.0 ** (-step / 16)
        chosen = levels.double()[torch.bucketize(size / candidate, middles)]
        error = (chosen * candidate - size).square().sum(dim=1, keepdim=True)
        scale = torch.where(error < best, candidate, scale)
        best = torch.minimum(best, error)
    return (rows / scale).reshape(weight.shape).to(weight.dtype)


def level_latents(size: Tensor, count: int, spread: float) -> list[Tensor]:
    """Return ``count`` shift latents for magnitudes: ``spread`` times the signed distance to where their bit flips.

    The run of positive latents at the end is the exponent ``P``, so latent ``t`` of ``count`` is positive from
    ``P = count - t`` on, where the magnitude passes the middle of two levels, ``1.5·2^(P-1)``; distances are relative
    to ``2^(P-1)``.
    """
    return [spread * (size * 2.0 ** (1 + t - count) - 1.5) for t in range(count)]

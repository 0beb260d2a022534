"""Latents that stand for given float weights."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_level(weight: Tensor, levels: Tensor) -> Tensor:
    """Return the index of the level nearest to each ``|weight|``, scaled by the tensor's best common factor.

    Parameters
    ----------
    weight : float tensor (...)
        Float weights.
    levels : float tensor (L,)
        Magnitudes of the alphabet, ascending.

    Returns
    -------
    int64 tensor (...)
        The scale is the one of 64 candidates with the least squared error.
    """
    size = weight.detach().abs().double()
    top = float(levels[-1])
    peak = max(float(size.max()), 1e-12)
    best, index = None, torch.zeros_like(weight, dtype=torch.int64)
    for step in range(64):
        scale = peak / top * 2.0 ** (-step / 16)
        chosen = torch.bucketize(size / scale, ((levels[1:] + levels[:-1]) / 2).double())
        error = float((levels.double()[chosen] * scale - size).square().sum())
        if best is None or error < best:
            best, index = error, chosen
    return index


def level_latents(shift: Tensor, count: int, margin: float) -> list[Tensor]:
    """Return ``count`` shift latents, ``±margin``, that make a run of ``shift`` at the end (negative counts as 0)."""
    return [torch.where(shift >= count - t, margin, -margin).float() for t in range(count)]

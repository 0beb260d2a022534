"""The shift of S3 and DenseShift: a run of positive latents, and its straight-through gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def run_length(latents: Tensor) -> Tensor:
    """Return ``P_T`` of ``P_0 = 0, P_t = H(w_t)·(P_{t-1} + 1)`` for latents (T, ...): the run that ends at the last."""
    run = torch.zeros_like(latents[0]) if len(latents) else latents.new_zeros(latents.shape[1:])
    for latent in latents:
        run = (run + 1).mul_(latent > 0)
    return run


def run_length_gradient(latents: Tensor, carried: Tensor, out: Tensor) -> None:
    """Write ``∂w_t = ∂P_t·(P_{t-1} + 1)`` with ``∂P_{t-1} = ∂P_t·H(w_t)`` into ``out`` (T, ...).

    Parameters
    ----------
    latents : float tensor (T, ...)
        Latents of the forward pass; the runs are computed again, which is cheaper than to keep them.
    carried : float tensor (...)
        Gradient of ``P_T``, used up.
    out : float tensor (T, ...)
        Receives the gradient.
    """
    run = torch.zeros_like(carried)
    for latent, slot in zip(latents, out, strict=True):
        torch.add(run, 1, out=slot)
        run = slot * (latent > 0)
    for latent, slot in zip(reversed(latents.unbind()), reversed(out.unbind()), strict=True):
        slot.mul_(carried)
        carried.mul_(latent > 0)

"""Activations as unsigned integers with a learned power-of-two scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.formats import TensorFormat


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """Return ``rounded`` with the gradient of ``value``."""
    return value + (rounded - value).detach()


class ActivationQuantizer(nn.Module):
    """``u = clamp(floor(x·2^f + 1/2) + z, 0, 2^bits - 1)``, given back as ``(u - z)·2^-f``.

    Half goes up. ``f`` is the rounded value of a learned latent; the first batch sets it so that its largest
    activation just fits.

    Parameters
    ----------
    bits : int
        2 to 8.
    signed : bool
        ``z = 2^(bits-1)`` instead of 0 (a ReLU is the clamp at 0 of an unsigned tensor).
    """

    initialized: Tensor

    def __init__(self, bits: int = 8, *, signed: bool = False) -> None:
        super().__init__()
        if not 2 <= bits <= 8:
            raise ValueError(f"activations have 2 to 8 bits, got {bits}")
        self.bits = bits
        self.signed = signed
        self.latent_exponent = nn.Parameter(torch.tensor(float(bits - 2)))
        self.register_buffer("initialized", torch.tensor(False))

    @property
    def format(self) -> TensorFormat:
        """Format of the output."""
        exponent = int(torch.floor(self.latent_exponent.detach() + 0.5).clamp(-15, 15).item())
        return TensorFormat(self.bits, 1 << self.bits - 1 if self.signed else 0, exponent)

    @torch.no_grad()
    def _initialize(self, x: Tensor) -> None:
        top = float(x.abs().max())
        limit = (1 << self.bits - 1) - 1 if self.signed else (1 << self.bits) - 1
        if top > 0:
            self.latent_exponent.fill_(float(torch.floor(torch.log2(torch.tensor(limit / top)))))
        self.initialized.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the quantised activations, of ``x``'s shape."""
        if self.training and not bool(self.initialized):
            self._initialize(x)
        latent = self.latent_exponent
        scale = torch.exp2(straight_through(latent, torch.floor(latent.detach() + 0.5).clamp(-15, 15))).to(x.dtype)
        zero = 1 << self.bits - 1 if self.signed else 0
        scaled = x * scale
        u = straight_through(scaled, torch.floor(scaled.detach() + 0.5))
        u = torch.clamp(u, -zero, (1 << self.bits) - 1 - zero)
        return u / scale

"""Activations as unsigned integers with a learned power-of-two scale."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from s3train.formats import TensorFormat
from s3train.processes import largest_over_processes, sum_over_processes


class QuantizeFunction(torch.autograd.Function):
    """``clamp(floor(x·scale + 1/2), low, high) / scale``.

    In bfloat16, which has no halves from 128 on, 129 + 1/2 would be 130: there a half goes to the even number.

    Backward: the gradient passes where nothing was clamped; the exponent gets ``Σ g·∂out/∂f`` with the rounding
    passed straight through, ``∂out/∂f = ln2·(x - out)`` inside and ``-ln2·out`` where the value was clamped.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, latent: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        scaled = torch.mul(x, scale)
        rounded = scaled.round_() if x.dtype is torch.bfloat16 else scaled.add_(0.5).floor_()
        out = rounded.clamp_(low, high).mul_(scale.reciprocal())
        ctx.save_for_backward(x, out, scale)
        ctx.ends = (low - 0.5, high + 0.5)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        x, out, scale = ctx.saved_tensors
        low, high = ctx.ends
        step = 1.0 / float(scale)
        passed = torch.ops.aten.hardtanh_backward(grad, x, low * step, high * step)
        slope = None
        if ctx.needs_input_grad[1]:
            # One sum of small terms: in bfloat16 the difference of two rounded sums would lose them.
            slope = torch.addcmul(passed * x, grad, out, value=-1).sum().float() * math.log(2.0)
        return passed, slope, None, None, None


class ActivationQuantizer(nn.Module):
    """``u = clamp(floor(x·2^f + 1/2) + z, 0, 2^bits - 1)``, given back as ``(u - z)·2^-f``.

    Half goes up. ``f`` is the rounded value of a learned latent; the first batch sets it to the grid with the least
    squared error: all activations fit, or the largest ones are clipped for the sake of the rest. Of several training
    processes each has a share of the batch; the errors are those of all shares, so all processes choose the same.

    Parameters
    ----------
    bits : int
        2 to 8.
    signed : bool
        ``z = 2^(bits-1)`` instead of 0 (a ReLU is the clamp at 0 of an unsigned tensor).
    exponent : int or None
        ``f`` instead of a learned one.
    """

    initialized: Tensor

    def __init__(self, bits: int = 8, *, signed: bool = False, exponent: int | None = None) -> None:
        super().__init__()
        if not 2 <= bits <= 8:
            raise ValueError(f"activations have 2 to 8 bits, got {bits}")
        self.bits = bits
        self.signed = signed
        self.learned = exponent is None
        # Whether several layers have it, as a concatenation's do.
        self.several_layers = False
        start = float(bits - 2 if exponent is None else exponent)
        self.latent_exponent = nn.Parameter(torch.tensor(start), requires_grad=self.learned)
        self.register_buffer("initialized", torch.tensor(not self.learned))

    @property
    def format(self) -> TensorFormat:
        """Format of the output."""
        exponent = int(torch.floor(self.latent_exponent.detach() + 0.5).clamp(-15, 15).item())
        return TensorFormat(self.bits, 1 << self.bits - 1 if self.signed else 0, exponent)

    @torch.no_grad()
    def _initialize(self, x: Tensor) -> None:
        x = x.detach().float()
        wanted = x if self.signed else x.clamp_min(0)
        low = -(1 << self.bits - 1) if self.signed else 0
        high = low + (1 << self.bits) - 1
        top = float(largest_over_processes(wanted.abs().max()))
        if 0 < top < math.inf:
            fits = math.floor(math.log2(high / top))
            candidates = [fits + more for more in range(4)]
            means = [
                (torch.floor(wanted * 2.0**f + 0.5).clamp(low, high) * 2.0**-f - wanted).square().mean()
                for f in candidates
            ]
            # Every process has as many activations as any other.
            errors = [float(error) for error in sum_over_processes(torch.stack(means))]
            self.latent_exponent.fill_(float(candidates[errors.index(min(errors))]))
        self.initialized.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the quantised activations, of ``x``'s shape."""
        if self.training and not bool(self.initialized):
            self._initialize(x)
        exponent = torch.floor(self.latent_exponent.detach() + 0.5).clamp(-15, 15)
        zero = 1 << self.bits - 1 if self.signed else 0
        out: Tensor = QuantizeFunction.apply(  # type: ignore[no-untyped-call]
            x, self.latent_exponent, torch.exp2(exponent).to(x.dtype), -zero, (1 << self.bits) - 1 - zero
        )
        return out

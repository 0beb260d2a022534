"""Convolution or linear layer, batch norm, residual add and quantiser: what becomes one integer operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.exact_sums import exact_sums
from s3train.layers.factor import HIGHEST, LOWEST, TwoTermFactor, round_factor

FormatSource = Callable[[], TensorFormat]

MAX_S, MAX_PK = 20, 15
"""Largest shifts of the output formula."""

_MAX_BIAS = (1 << 31) - 1 - (1 << MAX_S - 1)
"""Largest constant without the rounding constant, which is added to it."""


@dataclass(frozen=True)
class IntegerLayer:
    """A layer's integers: weight int64 (C_out, C_in / groups, kh, kw), and the output formula per channel."""

    weight: Tensor
    t: Tensor
    j: Tensor
    s: Tensor
    p: Tensor
    k: Tensor
    b: Tensor


class ShiftBlock(nn.Module):
    """``quantiser(m·conv(x) + β' + residual)`` with ``m`` made of one or two powers of two per channel.

    ``m`` is batch norm's ``γ / √(σ² + ε)`` rounded to ``±2^e·(1 + t·2^-j)``; ``β' = β - μ·m`` with the rounded ``m``,
    on the grid on which the hardware adds it. Evaluation is exact: it equals the integer network.

    Training is an ordinary batch norm with ``γ·ρ`` and ``β + δ``, where ``ρ`` is the rounded over the wanted factor
    and ``δ`` the rounding of ``β'``, both for the *running* statistics and constants of the step. So the rounding
    costs nothing over a float layer, does not jump from batch to batch, and is right at the end. ``hardness`` below 1
    takes only that share of the rounding: training begins with an unrounded factor.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Linear
        Without bias; its weight is parametrized.
    bits : int
        Bits of the stored activations.
    source, residual : callable
        Give the format of the input and of the residual operand (``None``: there is none).
    signed : bool
        No ReLU: the output has a zero point.
    terms : int
        Powers of two in ``m``: 2 or 1.
    """

    layer: nn.Module
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        layer: nn.Module,
        *,
        bits: int,
        source: FormatSource,
        residual: FormatSource | None = None,
        signed: bool = False,
        terms: int = 2,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        assert isinstance(channels, int)
        self.layer = layer
        self.quantizer = ActivationQuantizer(bits, signed=signed)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.terms = terms
        self.momentum = momentum
        self.eps = eps
        self.hardness = 1.0
        self.source = source
        self.residual = residual

    def factor(self, variance: Tensor | None = None) -> TwoTermFactor:
        """Return the rounded factor, for the running variance unless another one is given.

        It keeps :meth:`shifts` within the hardware's range, as far as a factor can.
        """
        variance = self.running_var if variance is None else variance
        m = self.gamma.double() / torch.sqrt(variance.double() + self.eps)
        given, stored = self.source().exponent, self.quantizer.format.exponent
        # S <= 20 and P <= 15, with a residual operand P <= 15 and K <= 15 too.
        least, most = given - stored - MAX_S, given - stored + MAX_PK
        if self.residual is not None:
            other = given - self.residual().exponent
            least, most = max(least, other - MAX_PK), min(most, other + MAX_PK)
        low, high = max(LOWEST, least), min(HIGHEST, most)
        return round_factor(m, terms=self.terms, low=min(low, HIGHEST), high=max(high, LOWEST), least=least)

    def shifts(self, factor: TwoTermFactor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (S, P, K) per channel, int64."""
        e1 = factor.e - factor.j + self.quantizer.format.exponent - self.source().exponent
        s = (-e1).clamp_min(0)
        if self.residual is None:
            return s, e1 + s, torch.zeros_like(s)
        e2 = self.quantizer.format.exponent - self.residual().exponent
        s = s.clamp_min(max(0, -e2))
        return s, e1 + s, e2 + s

    def bias_integer(self, factor: TwoTermFactor) -> Tensor:
        """Return ``floor(β'·2^(f_out + S) + 1/2)`` for the running mean, int64, within what B can hold."""
        offset = self.beta.detach().double() - self.running_mean.double() * factor.value
        s = self.shifts(factor)[0]
        grid = self.quantizer.format.exponent + s
        return _rounded_constant(torch.ldexp(offset, grid)).long()

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return the quantised activations."""
        if not self.training:
            acc = exact_sums(self.layer, x, self.source())
            shape = (1, -1) + (1,) * (acc.ndim - 2)
            factor = self.factor()
            grid = self.quantizer.format.exponent + self.shifts(factor)[0]
            offset = torch.ldexp(self.bias_integer(factor).double(), -grid)
            y = acc.double() * factor.value.view(shape) + offset.view(shape)
            if residual is not None:
                y = y + residual.double()
            result: Tensor = self.quantizer(y)
            return result.to(x.dtype)
        acc = self.layer(x)
        if acc.numel() == acc.shape[1]:
            raise ValueError(
                "a batch of one image has one number a channel here, batch norm needs two or more in training"
            )
        ratio, shift = self._rounding()
        ratio, shift = 1 + self.hardness * (ratio - 1), self.hardness * shift
        y = functional.batch_norm(
            acc,
            self.running_mean,
            self.running_var,
            self.gamma * ratio,
            self.beta + shift,
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
        result = self.quantizer(y if residual is None else y.add_(residual))
        return result

    @torch.no_grad()
    def _rounding(self) -> tuple[Tensor, Tensor]:
        """Return (rounded factor over wanted factor, rounded minus wanted constant) for the running statistics."""
        factor = self.factor()
        wanted = self.gamma.double() / torch.sqrt(self.running_var.double() + self.eps)
        ratio = torch.where(wanted == 0, 1.0, factor.value / wanted)
        grid = torch.exp2((self.quantizer.format.exponent + self.shifts(factor)[0]).double())
        offset = self.beta.double() - self.running_mean.double() * factor.value
        shift = _rounded_constant(offset * grid) / grid - offset
        return ratio.to(self.gamma.dtype), shift.to(self.gamma.dtype)

    def integer(self, name: str) -> IntegerLayer:
        """Return the layer's integers; ``UnsupportedModelError`` if one leaves the contract's range."""
        factor = self.factor()
        s, p, k = self.shifts(factor)
        b = self.bias_integer(factor) + ((1 << s) >> 1)
        for field, value, most in (("S", s, MAX_S), ("P", p, MAX_PK), ("K", k, MAX_PK)):
            if int(value.max()) > most:
                raise UnsupportedModelError(
                    f"layer {name!r}: {field} reaches {int(value.max())}, supported is up to {most}; the scales of its "
                    f"input, output and residual operand are too far apart, train longer or with a smaller learning "
                    f"rate of the scales (exponent_lr)"
                )
        weight = integer_weight(name, self.layer)
        sign = factor.sign.view(-1, 1, 1, 1)
        return IntegerLayer(weight * sign, factor.t, factor.j, s, p, k, b)


def _rounded_constant(value: Tensor) -> Tensor:
    """Return a constant on its grid, float64, rounded and clamped to what B can hold."""
    return torch.floor(value + 0.5).clamp(-_MAX_BIAS, _MAX_BIAS)


def integer_weight(name: str, layer: nn.Module) -> Tensor:
    """Return the weight values of a layer, named in a refusal, as int64 (C_out, C_in / groups, kh, kw)."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight = weight.detach()
    values = weight.round().long()
    if not torch.equal(values.to(weight.dtype), weight):
        raise UnsupportedModelError(f"layer {name!r} has weights that are not integers; convert it without skip")
    if values.ndim == 2:
        return values[:, :, None, None]
    return values[:, :, None, :] if values.ndim == 3 else values

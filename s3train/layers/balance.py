"""Shift-and-balance attention: a signed number a channel that is added where squeeze-and-excitation multiplies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hw import graph
from s3train.formats import TensorFormat
from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.operation import Operation
from s3train.reparam.straight_through import straight_through

SMALLEST, LARGEST = -6, 2
"""Range of the exponents of λ; half the smallest power and less is 0."""


class ChannelMean(nn.AdaptiveAvgPool2d):
    """The mean of every channel of an image; says what is wrong with a batch of one image in training."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (images, channels, 1, 1)."""
        if self.training and x.shape[0] == 1:
            raise ValueError(
                "shift-and-balance attention needs two images a batch or more in training: its batch norms see one "
                "number a channel of an image"
            )
        result: Tensor = super().forward(x)
        return result


class Balance(nn.Module):
    """``y = x + λ·a`` with one number ``a`` of an image and channel, and one λ a channel, 0 at the start.

    Parameters
    ----------
    channels : int
        Of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.balance = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, a: Tensor) -> Tensor:
        """Return the map (images, channels, height, width) with ``a`` (images, channels, 1, 1) added."""
        return x + self.balance.view(1, -1, 1, 1) * a


class ShiftAndBalance(nn.Module):
    """``y = ReLU(x + λ·A(x))``, ``A = tanh(BN(W2·ReLU(BN(W1·mean(x)))))``, with W1: C → C/2 and W2: C/2 → C.

    After the formula of shift-and-balance attention (2021); the ReLU is ours, so that what is stored stays unsigned. It
    adds where squeeze-and-excitation multiplies. λ is one per channel and starts at 0: the layer starts as identity.

    Parameters
    ----------
    channels : int
        Of the map, 2 or more.

    Raises
    ------
    ValueError
        If there is one channel, and in training if a batch has one image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError(f"shift-and-balance attention needs 2 channels or more, got {channels}")
        half = channels // 2
        self.mean = ChannelMean()
        self.squeeze = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.excite = nn.Sequential(nn.Conv2d(half, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.Tanh())
        self.balance = Balance(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, of ``x``'s shape."""
        attention = self.excite(self.squeeze(self.mean(x)))
        result: Tensor = self.relu(self.balance(x, attention))
        return result


class ShiftBalance(Operation):
    """:class:`Balance` with λ rounded to a signed power of two, or 0, and a quantiser behind it.

    Parameters
    ----------
    balance : Balance
        Its λ is taken over.
    bits : int
        Of the output.
    signed : bool
        No ReLU: the output has a zero point.
    """

    def __init__(self, balance: Balance, bits: int, *, signed: bool) -> None:
        super().__init__()
        self.balance = nn.Parameter(balance.balance.detach().clone())
        self.quantizer = ActivationQuantizer(bits, signed=signed)

    def factor(self) -> tuple[Tensor, Tensor]:
        """Return (sign, exponent) of λ per channel, int64; the sign is 0 where λ is."""
        value = self.balance.detach().double()
        mantissa, above = torch.frexp(value)
        # 0.75 lies in the middle between two powers of two; the smaller one wins there.
        exponent = (above - 1 + (mantissa.abs() > 0.75).long()).clamp(SMALLEST, LARGEST)
        zero = value.abs() <= 2.0 ** (SMALLEST - 1)
        return torch.where(zero, 0, torch.sign(value)).long(), torch.where(zero, SMALLEST, exponent).long()

    def forward(self, x: Tensor, a: Tensor) -> Tensor:
        """Return the quantised map."""
        sign, exponent = self.factor()
        rounded = sign * torch.exp2(exponent.double())
        if not self.training:
            exact: Tensor = self.quantizer(x.double() + rounded.view(1, -1, 1, 1) * a.double())
            return exact.to(x.dtype)
        factor = straight_through(self.balance, rounded.to(self.balance.dtype)).view(1, -1, 1, 1)
        y: Tensor = self.quantizer(x + factor.to(x.dtype) * a)
        return y

    def format(self, formats: Sequence[TensorFormat]) -> TensorFormat:
        """Return the format of the output."""
        return self.quantizer.format

    def rescale(self, formats: Sequence[TensorFormat]) -> graph.Rescale:
        """Return the output formula."""
        _, exponent = self.factor()
        output, (trunk, attention) = self.quantizer.format, formats
        e1 = exponent + output.exponent - attention.exponent
        e2 = output.exponent - trunk.exponent
        # K - S is the same in all channels, and so is S.
        s = torch.full_like(e1, max(0, -int(e1.min()), -e2))
        zero = torch.zeros_like(s)
        return graph.Rescale(*(v.cpu().numpy() for v in (zero, zero, s, e1 + s, e2 + s, (1 << s) >> 1)))

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the balanced map of stored numbers."""
        sign, (trunk, attention) = self.factor()[0], formats
        device, rescale = inputs[0].device, self.rescale(formats)
        s, p, k, b = (torch.from_numpy(getattr(rescale, f)).to(device).view(1, -1, 1, 1) for f in "spkb")
        acc = sign.view(1, -1, 1, 1) * (inputs[1] - attention.zero_point)
        total = (acc << p) + ((inputs[0] - trunk.zero_point) << k) + b
        return ((total >> s) + self.quantizer.format.zero_point).clamp(0, self.quantizer.format.maximum)

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        trunk, attention = sources
        formats = [TensorFormat(t.bits, t.zero_point, t.exponent) for t in sources]
        sign = self.factor()[0].cpu().numpy().astype("int8")
        return graph.Balance(name, attention.name, trunk.name, output, sign, self.rescale(formats))

"""Residual blocks with attention behind them."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.layers.balance import ShiftAndBalance
from s3train.models.small_resnet import ResidualBlock


class SqueezeAndExcite(nn.Module):
    """``y = x * sigmoid(BN(W2 ReLU(BN(W1 mean(x)))))``, the rival that multiplies (Hu et al., CVPR 2018).

    It has the layers of :class:`~s3train.layers.ShiftAndBalance`, so that the two differ in one thing. For float
    comparisons: a shift network has nothing to multiply maps with.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.excite = nn.Sequential(nn.Conv2d(half, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, of ``x``'s shape."""
        result: Tensor = x * self.excite(self.squeeze(self.mean(x)))
        return result


def balanced_block(channels: int, out: int, stride: int) -> nn.Module:
    """Return a residual block with shift-and-balance attention behind it."""
    return nn.Sequential(ResidualBlock(channels, out, stride), ShiftAndBalance(out))


def excited_block(channels: int, out: int, stride: int) -> nn.Module:
    """Return a residual block with squeeze-and-excitation behind it."""
    return nn.Sequential(ResidualBlock(channels, out, stride), SqueezeAndExcite(out))

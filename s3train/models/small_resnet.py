"""A small residual network for 8x8 to 32x32 images."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from s3train.layers.circular_conv import CircularConv2d


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes.

    Parameters
    ----------
    channels, out : int
        Channels in and out.
    stride : int
        Of the first convolution and the shortcut.
    padding_mode : str
        ``"zeros"``, or ``"circular"``: the map wraps around.
    """

    def __init__(
        self, channels: int, out: int, stride: int, padding_mode: Literal["zeros", "circular"] = "zeros"
    ) -> None:
        super().__init__()
        conv = CircularConv2d if padding_mode == "circular" else nn.Conv2d
        self.conv1 = conv(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = conv(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.relu(self.bn1(self.conv1(x)))
        result: Tensor = self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return result


class SmallResNet(nn.Module):
    """Stem, a residual block, a residual block with stride 2, global average pool, logits.

    Images larger than 16x16 are halved by a max pool behind the stem.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image.
    classes : int
        Number of logits.
    widths : (int, int)
        Channels of the two stages, multiples of 8 suit the hardware.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, widths: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        first, second = widths
        self.stem = nn.Conv2d(shape[0], first, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(first)
        self.relu = nn.ReLU()
        self.reduce = nn.MaxPool2d(2) if max(shape[1:]) > 16 else nn.Identity()
        self.block1 = ResidualBlock(first, first, 1)
        self.block2 = ResidualBlock(first, second, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(second, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        x = self.reduce(self.relu(self.bn(self.stem(x))))
        x = self.block2(self.block1(x))
        logits: Tensor = self.classifier(self.flatten(self.pool(x)))
        return logits

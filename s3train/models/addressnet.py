"""AddressNet for small images: convolutions of 1 x 1, and moves between them (He et al., WACV 2019)."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.layers.shift_primitives import EIGHT_DIRECTIONS, AddressShift, ChannelShift, ShortcutShift

GROUP = 8
"""Channels that move together: a memory word of the small engines, so that a move costs nothing."""


def directions(channels: int, index: int) -> tuple[tuple[int, int], ...]:
    """Return the directions of a block's groups, up to eight; where there are fewer, every block goes on around."""
    count = min(len(EIGHT_DIRECTIONS), max(1, channels // GROUP))
    return tuple(EIGHT_DIRECTIONS[(index * count + i) % len(EIGHT_DIRECTIONS)] for i in range(count))


def pointwise(channels: int, out: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution of 1 x 1 and its batch norm."""
    return [nn.Conv2d(channels, out, 1, stride, groups=groups, bias=False), nn.BatchNorm2d(out)]


class AddressBlock(nn.Module):
    """1 x 1 convolution, address shift, 1 x 1 convolution, and the shortcut.

    Parameters
    ----------
    channels : int
        In and out, a multiple of 8.
    index : int
        Of the block in its stage: blocks take turns with the directions.
    groups : int
        Of the convolutions; above 1, a channel shift of ``channels / (2 groups)`` mixes them.
    """

    def __init__(self, channels: int, index: int, groups: int = 1) -> None:
        super().__init__()
        mix: list[nn.Module] = [ChannelShift(channels // (2 * groups))] if groups > 1 else []
        self.spread = nn.Sequential(*pointwise(channels, channels, groups=groups), nn.ReLU())
        self.move = nn.Sequential(*mix, AddressShift(directions(channels, index)))
        self.gather = nn.Sequential(*pointwise(channels, channels, groups=groups))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        result: Tensor = self.relu(self.gather(self.move(self.spread(x))) + x)
        return result


class Reduction(nn.Module):
    """Half the size and twice the channels: the pooled map, and behind it as many new channels (shortcut shift).

    Parameters
    ----------
    channels : int
        In, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.move = AddressShift(directions(channels, 0))
        self.new = nn.Sequential(*pointwise(channels, channels, stride=2), nn.ReLU())
        self.old = nn.Sequential(*pointwise(channels, channels, stride=2), nn.ReLU())
        self.join = ShortcutShift()

    def forward(self, x: Tensor) -> Tensor:
        """Return (images, 2 channels, height / 2, width / 2)."""
        result: Tensor = self.join(self.old(x), self.new(self.move(x)))
        return result


class AddressNet(nn.Module):
    """A stem of 3 x 3, three stages of address blocks, global average pool, logits.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image; height and width are multiples of 4.
    classes : int
        Number of logits.
    width : int
        Channels of the first stage, a multiple of 8; they double from stage to stage.
    depth : int
        Address blocks of a stage.
    groups : int
        Groups of the blocks' convolutions.
    """

    CONVOLUTION = nn.Conv2d
    """Of the stem."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, *, width: int = 32, depth: int = 2, groups: int = 1
    ) -> None:
        super().__init__()
        if width % 8 or width < 8:
            raise ValueError(f"AddressNet's width must be a multiple of 8 (channels of a memory word), got {width}")
        if shape[1] % 4 or shape[2] % 4:
            raise ValueError(f"AddressNet needs images whose sides are multiples of 4, got {shape[1]} x {shape[2]}")
        stem = self.CONVOLUTION(shape[0], width, 3, 1, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU())
        stages: list[nn.Module] = []
        for stage in range(3):
            channels = width << stage
            stages += [self.reduction(channels // 2)] if stage else []
            stages += [self.block(channels, i, groups, last=i == depth - 1) for i in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(width << 2, classes)

    @staticmethod
    def block(channels: int, index: int, groups: int, *, last: bool) -> nn.Module:
        """Return a block of a stage, perhaps its last one."""
        return AddressBlock(channels, index, groups)

    @staticmethod
    def reduction(channels: int) -> nn.Module:
        """Return what leads to the next stage."""
        return Reduction(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits

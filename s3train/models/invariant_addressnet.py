"""The neighbours together: address shift, adaptive polyphase sampling, and shift-and-balance attention."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.layers.balance import ShiftAndBalance
from s3train.layers.circular_conv import CircularConv2d
from s3train.layers.polyphase import Polyphase, check_circular, check_sides
from s3train.layers.shift_primitives import AddressShift, ShortcutShift
from s3train.models.addressnet import directions, pointwise


class InvariantBlock(nn.Module):
    """1 x 1 convolution, address shift that wraps around, 1 x 1 convolution, shortcut, and perhaps attention.

    Parameters
    ----------
    channels : int
        In and out, a multiple of 8.
    index : int
        Of the block in its stage: blocks take turns with the directions.
    attention : bool
        Whether shift-and-balance attention is behind it.
    """

    def __init__(self, channels: int, index: int, *, attention: bool) -> None:
        super().__init__()
        self.spread = nn.Sequential(*pointwise(channels, channels), nn.ReLU())
        self.move = AddressShift(directions(channels, index), circular=True)
        self.gather = nn.Sequential(*pointwise(channels, channels))
        self.relu = nn.ReLU()
        self.attention = ShiftAndBalance(channels) if attention else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        result: Tensor = self.attention(self.relu(self.gather(self.move(self.spread(x))) + x))
        return result


class InvariantReduction(nn.Module):
    """Half the size and twice the channels: the sampled map, once as it is and once moved, through 1 x 1 convolutions.

    What a convolution of 1 x 1 makes of a sample is the sample of what it makes of the map: so the map is sampled
    first, and the sampling takes no operation of the array.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sample = Polyphase()
        self.move = AddressShift(directions(channels, 0), circular=True)
        self.new = nn.Sequential(*pointwise(channels, channels), nn.ReLU())
        self.old = nn.Sequential(*pointwise(channels, channels), nn.ReLU())
        self.join = ShortcutShift()

    def forward(self, x: Tensor) -> Tensor:
        """Return (images, 2 channels, height / 2, width / 2)."""
        sampled = self.sample(x)
        result: Tensor = self.join(self.old(sampled), self.new(self.move(sampled)))
        return result


class InvariantAddressNet(nn.Module):
    """An AddressNet whose logits do not change with circular shifts of the image, with attention behind every stage.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image; height and width are multiples of 4.
    classes : int
        Number of logits.
    width : int
        Channels of the first stage, a multiple of 8; they double from stage to stage.
    depth : int
        Blocks of a stage.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int = 16, depth: int = 2) -> None:
        super().__init__()
        if width % 8 or width < 8:
            raise ValueError(f"the width must be a multiple of 8 (channels of a memory word), got {width}")
        check_sides(shape, 2)
        stem = CircularConv2d(shape[0], width, 3, 1, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU())
        stages: list[nn.Module] = []
        for stage in range(3):
            channels = width << stage
            stages += [InvariantReduction(channels // 2)] if stage else []
            stages += [InvariantBlock(channels, i, attention=i == depth - 1) for i in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(width << 2, classes)
        check_circular(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits

"""The neighbours together: address shift, adaptive polyphase sampling, and shift-and-balance attention."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.layers.balance import ShiftAndBalance
from s3train.layers.circular_conv import CircularConv2d
from s3train.layers.polyphase import Polyphase, check_circular, check_sides
from s3train.layers.shift_primitives import AddressShift, ShortcutShift
from s3train.models.addressnet import AddressNet, directions, pointwise


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


class InvariantAddressNet(AddressNet):
    """An AddressNet whose logits do not change with circular shifts of the image, with attention behind every stage.

    ``shape``, ``classes``, ``width`` and ``depth`` as of :class:`~s3train.models.addressnet.AddressNet`.
    """

    CONVOLUTION = CircularConv2d

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int = 16, depth: int = 2) -> None:
        check_sides(shape, 2)
        super().__init__(shape, classes, width=width, depth=depth)
        check_circular(self)

    @staticmethod
    def block(channels: int, index: int, groups: int, *, last: bool) -> nn.Module:
        """Return a block of a stage, with attention if it is the last one."""
        return InvariantBlock(channels, index, attention=last)

    @staticmethod
    def reduction(channels: int) -> nn.Module:
        """Return what leads to the next stage."""
        return InvariantReduction(channels)

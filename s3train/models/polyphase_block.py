"""A residual block that is invariant to circular shifts."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.layers.polyphase import Polyphase
from s3train.models.small_resnet import ResidualBlock


class PolyphaseBlock(ResidualBlock):
    """:class:`~s3train.models.small_resnet.ResidualBlock` whose strides are adaptive polyphase sampling.

    The first convolution runs at the full size, and its output is sampled. The shortcut takes the same phase of the
    block's input: what a convolution of 1x1 makes of a sample is the sample of what it makes of the map, so its
    convolution need not run at the full size. Every convolution wraps around.

    Parameters
    ----------
    channels, out : int
        Channels in and out.
    stride : int
        1, or 2 for a sampled block.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__(channels, out, 1, "circular")
        if stride not in (1, 2):
            raise ValueError(f"adaptive polyphase sampling halves a map: stride 1 or 2, got {stride}")
        self.sample = Polyphase() if stride == 2 else None
        if stride == 2 and isinstance(self.shortcut, nn.Identity):
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.relu(self.bn1(self.conv1(x)))
        if self.sample is not None:
            x, y = self.sample(x, y), self.sample(y)
        result: Tensor = self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return result

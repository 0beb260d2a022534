"""ResNet-8 of MLPerf Tiny and ResNet-20 for 32x32 images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from s3train.layers.circular_conv import CircularConv2d
from s3train.layers.polyphase import Polyphase, check_circular, check_sides
from s3train.models.small_resnet import ResidualBlock


class CifarResNet(nn.Module):
    """A 3x3 stem and three stages of ``blocks`` residual blocks, strides 1, 2, 2; global average pool; logits.

    ``blocks=1`` has the layers of MLPerf Tiny's ResNet-8 (77,360 weights, 12.5 M multiply-accumulates; theirs has
    biases beside batch norm and none on the shortcut), ``blocks=3`` is ResNet-20 of He et al. with projection
    shortcuts (272,474 parameters).

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image.
    classes : int
        Number of logits.
    blocks : int
        Residual blocks in a stage.
    widths : (int, int, int)
        Channels of the stages.
    block : callable
        Makes a residual block of channels in, channels out and stride.
    padding_mode : str
        ``"zeros"`` or ``"circular"``, of the stem.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        blocks: int = 1,
        widths: tuple[int, int, int] = (16, 32, 64),
        *,
        block: Callable[[int, int, int], nn.Module] = ResidualBlock,
        padding_mode: Literal["zeros", "circular"] = "zeros",
    ) -> None:
        super().__init__()
        conv = CircularConv2d if padding_mode == "circular" else nn.Conv2d
        self.stem = conv(shape[0], widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        stages = []
        channels = widths[0]
        for stage, width in enumerate(widths):
            for index in range(blocks):
                stages.append(block(channels, width, 2 if stage and not index else 1))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)
        check_circular(self)
        if any(isinstance(layer, Polyphase) for layer in self.modules()):
            check_sides(shape, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        x = self.stages(self.relu(self.bn(self.stem(x))))
        logits: Tensor = self.classifier(self.flatten(self.pool(x)))
        return logits

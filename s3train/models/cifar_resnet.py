"""ResNet-8 of MLPerf Tiny and ResNet-20 for 32x32 images."""

from __future__ import annotations

from torch import Tensor, nn

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
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        blocks: int = 1,
        widths: tuple[int, int, int] = (16, 32, 64),
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        stages = []
        channels = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stages.append(ResidualBlock(channels, width, 2 if stage and not block else 1))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        x = self.stages(self.relu(self.bn(self.stem(x))))
        logits: Tensor = self.classifier(self.flatten(self.pool(x)))
        return logits

"""ResNet-18 and ResNet-50 in their ImageNet form."""

from __future__ import annotations

from torch import Tensor, nn

from s3train.models.small_resnet import ResidualBlock


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions around a shortcut; four times ``width`` channels come out."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        result: Tensor = self.relu(self.bn3(self.conv3(y)) + self.shortcut(x))
        return result


class ImageNetResNet(nn.Module):
    """7x7 stem with stride 2, max pool, four stages, global average pool, logits (He et al., 2016).

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image, 224x224 as published.
    classes : int
        Number of logits.
    blocks : (int, int, int, int)
        Blocks of the stages.
    bottleneck : bool
        ResNet-50's blocks instead of ResNet-18's.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        blocks: tuple[int, int, int, int] = (2, 2, 2, 2),
        *,
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 64, 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.reduce = nn.MaxPool2d(3, 2, 1)
        stages: list[nn.Module] = []
        channels = 64
        for stage, count in enumerate(blocks):
            width = 64 << stage
            for block in range(count):
                stride = 2 if stage and not block else 1
                kind: type[nn.Module] = Bottleneck if bottleneck else ResidualBlock
                stages.append(kind(channels, width, stride))
                channels = 4 * width if bottleneck else width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        x = self.stages(self.reduce(self.relu(self.bn(self.stem(x)))))
        logits: Tensor = self.classifier(self.flatten(self.pool(x)))
        return logits

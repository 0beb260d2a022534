"""Depthwise separable networks of MLPerf Tiny: DS-CNN and MobileNetV1 with a quarter of the width."""

from __future__ import annotations

from torch import Tensor, nn


def separable(channels: int, out: int, stride: int = 1) -> list[nn.Module]:
    """Return a 3x3 depthwise and a 1x1 convolution, each with batch norm and ReLU."""
    return [
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    ]


class DSCNN(nn.Module):
    """Keyword spotting: a 10x4 convolution with stride 2, four separable layers, global average pool, logits.

    22,016 weights and 2,656,768 multiply-accumulates, for 49x10 spectrograms and 12 words.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of a spectrogram, (1, 49, 10) as published.
    classes : int
        Number of logits.
    width : int
        Channels.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], width, (10, 4), 2, (5, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        for _ in range(4):
            layers += separable(width, width)
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits


class MobileNetV1(nn.Module):
    """MobileNetV1 (Howard et al., 2017); the quarter of the width and 96x96 images are visual wake words'.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the channels.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: float = 0.25) -> None:
        super().__init__()
        plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
        channels = round(32 * width)
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        for full, stride in plan:
            out = round(full * width)
            layers += separable(channels, out, stride)
            channels = out
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits

"""LeNet-5 with batch norm."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al., 1998) as it is usual today: ReLU, max pool, all feature maps connected, batch norm.

    61,470 weights and 416,520 multiply-accumulates for 28x28 images.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image, 28x28 (padded by 2) or 32x32.
    classes : int
        Number of logits.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        if shape[1:] not in ((28, 28), (32, 32)):
            raise ValueError(f"lenet5 takes images of 28x28 or 32x32 pixels, got {shape[1]}x{shape[2]}")
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], 6, 5, 1, (32 - shape[1]) // 2, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120, bias=False),
            nn.BatchNorm1d(120),
            nn.ReLU(),
            nn.Linear(120, 84, bias=False),
            nn.BatchNorm1d(84),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits

"""Multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Flatten, then linear layers with batch norm and ReLU, then the logits.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of an image.
    classes : int
        Number of logits.
    hidden : sequence of int
        Sizes of the hidden layers.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, hidden: Sequence[int] = (64, 32)) -> None:
        super().__init__()
        size = shape[0] * shape[1] * shape[2]
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers += [nn.Linear(size, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            size = width
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes)."""
        logits: Tensor = self.classifier(self.layers(x))
        return logits

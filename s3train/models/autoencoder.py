"""The fully connected autoencoder of MLPerf Tiny (anomaly detection in machine sounds)."""

from __future__ import annotations

from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Four layers down to a code of 8 numbers and four back; the last linear gives as many numbers as came in.

    264,192 weights for frames of 640 numbers.

    Parameters
    ----------
    shape : (channels, height, width)
        Shape of a frame, (640, 1, 1) as published.
    classes : int
        Ignored: the output has the input's size.
    width, code : int
        Sizes of the hidden layers and of the code.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int = 0, width: int = 128, code: int = 8) -> None:
        super().__init__()
        size = shape[0] * shape[1] * shape[2]
        layers: list[nn.Module] = [nn.Flatten()]
        last = size
        for out in (width, width, width, width, code, width, width, width, width):
            layers += [nn.Linear(last, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]
            last = out
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(last, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction (frames, numbers)."""
        out: Tensor = self.classifier(self.layers(x))
        return out

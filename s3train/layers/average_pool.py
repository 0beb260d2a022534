"""Average pooling with a power-of-two divisor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from s3train.formats import TensorFormat
from s3train.layers.shift_block import FormatSource
from s3train.reparam.straight_through import straight_through


class ShiftAveragePool2d(nn.Module):
    """Sum over the window, divided by the next power of two, rounded to the input's own format.

    Parameters
    ----------
    kernel : (int, int) or None
        Window, which is also the stride; ``None`` pools the whole map.
    source : callable
        Gives the format of the input and output.
    """

    def __init__(self, kernel: tuple[int, int] | None, *, source: FormatSource) -> None:
        super().__init__()
        self.kernel = kernel
        self.source = source

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Return the window for a map of a size."""
        return self.kernel or (height, width)

    @staticmethod
    def log2_divisor(window: tuple[int, int]) -> int:
        """Return ``n`` of the divisor ``2^n``."""
        return (window[0] * window[1] - 1).bit_length()

    @property
    def format(self) -> TensorFormat:
        """Format of the output."""
        return self.source()

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map (images, channels, height, width)."""
        window = self.window(x.shape[-2], x.shape[-1])
        total = functional.avg_pool2d(x.double(), window, divisor_override=1)
        mean = total / (1 << self.log2_divisor(window))
        grid = 2.0 ** self.source().exponent
        rounded = torch.floor(mean.detach() * grid + 0.5) / grid
        return straight_through(mean, rounded).to(x.dtype)

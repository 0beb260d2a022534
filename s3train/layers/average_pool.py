"""Average pooling with a power-of-two divisor."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from s3train.formats import TensorFormat
from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.shift_block import FormatSource


class ShiftAveragePool2d(nn.Module):
    """Sum over the window, divided by the next power of two, on a grid of its own.

    A mean is smaller than what it is the mean of, and has more bits: on the input's grid most of it would be lost.

    Parameters
    ----------
    kernel : (int, int) or None
        Window, which is also the stride; ``None`` pools the whole map.
    source : callable
        Gives the format of the input; the output has its bits, and is signed if it is.
    """

    def __init__(self, kernel: tuple[int, int] | None, *, source: FormatSource) -> None:
        super().__init__()
        self.kernel = kernel
        self.source = source
        self.quantizer = ActivationQuantizer(source().bits, signed=source().zero_point > 0)

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Return the window for a map of a size."""
        return self.kernel or (height, width)

    @staticmethod
    def log2_divisor(window: tuple[int, int]) -> int:
        """Return ``n`` of the divisor ``2^n``."""
        return (window[0] * window[1] - 1).bit_length()

    @classmethod
    def shifts(cls, window: tuple[int, int], source: TensorFormat, output: TensorFormat) -> tuple[int, int]:
        """Return (S, P): the output is ``(sum·2^P + 2^(S-1)) >> S``."""
        right = cls.log2_divisor(window) + source.exponent - output.exponent
        return max(0, right), max(0, -right)

    @property
    def format(self) -> TensorFormat:
        """Format of the output."""
        return self.quantizer.format

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map (images, channels, height, width), or without the height."""
        if x.ndim == 3:
            row: Tensor = self(x[:, :, None])
            return row.squeeze(2)
        window = self.window(x.shape[-2], x.shape[-1])
        total = functional.avg_pool2d(x.double(), window, divisor_override=1)
        mean = total / (1 << self.log2_divisor(window))
        pooled: Tensor = self.quantizer(mean)
        return pooled.to(x.dtype)

"""A convolution that wraps around, without torch's detour over another memory format."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Wrap(torch.autograd.Function):
    """``pad(x, mode="circular")`` of maps (images, channels, height, width), in the map's own memory format.

    ``pads`` are left, right, top, bottom, up to the map's size. Torch's own returns another memory format, which costs
    more than the convolution behind it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
        left, right, top, bottom = pads
        images, channels, height, width = x.shape
        last = x.is_contiguous(memory_format=torch.channels_last)
        out = torch.empty(
            (images, channels, top + height + bottom, left + width + right), dtype=x.dtype, device=x.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )  # fmt: skip
        rows = out[:, :, top : top + height]
        rows[..., left : left + width] = x
        rows[..., :left] = x[..., width - left :]
        rows[..., left + width :] = x[..., :right]
        out[:, :, :top] = rows[:, :, height - top :]
        out[:, :, top + height :] = rows[:, :, :bottom]
        ctx.pads = pads
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        left, right, top, bottom = ctx.pads
        height, width = grad.shape[2] - top - bottom, grad.shape[3] - left - right
        rows = grad[:, :, top : top + height].clone()
        rows[:, :, height - top :] += grad[:, :, :top]
        rows[:, :, :bottom] += grad[:, :, top + height :]
        x = rows[..., left : left + width].clone()
        x[..., width - left :] += rows[..., :left]
        x[..., :right] += rows[..., left + width :]
        return x, None


class CircularConv2d(nn.Conv2d):
    """``Conv2d`` with ``padding_mode="circular"``: the same numbers, faster."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"padding_mode": "circular", **kwargs})
        if self.padding_mode != "circular":
            raise ValueError(f"CircularConv2d wraps around, got padding_mode {self.padding_mode!r}")

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"CircularConv2d needs maps (images, channels, height, width), got {x.ndim} dimensions")
        left, right, top, bottom = self._reversed_padding_repeated_twice
        padded: Tensor = Wrap.apply(x, (left, right, top, bottom))  # type: ignore[no-untyped-call]
        return functional.conv2d(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

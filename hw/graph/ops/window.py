"""Sliding windows, shared by convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.tensor import MAX_SIZE, Tensor

Values = Mapping[str, NDArray[np.uint8]]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Padding:
    """Pixels added at each side of a map."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


def lookup(node: str, field: str, name: str, tensors: Tensors) -> Tensor:
    """Return a tensor by name; ``NetworkError`` if the network has none of that name."""
    need(name in tensors, f"node {node!r}: {field} {name!r:.80} is not a tensor of the network")
    return tensors[name]


def check_window(
    node: str, kernel: tuple[int, int], stride: tuple[int, int], padding: Padding, source: Tensor, output: Tensor
) -> None:
    """Raise ``NetworkError`` unless the window fits the map and gives the output's size (rounded down)."""
    pads = ((padding.top, padding.bottom), (padding.left, padding.right))
    sides = (("height", source.height, output.height), ("width", source.width, output.width))
    for (name, size, want), k, step, pad in zip(sides, kernel, stride, pads, strict=True):
        need(1 <= k <= MAX_SIZE, f"node {node!r}: kernel {name} is {k}, supported are 1 to {MAX_SIZE}")
        need(1 <= step <= MAX_SIZE, f"node {node!r}: stride is {step}, supported are 1 and more")
        need(
            all(0 <= p < max(k, 1) for p in pad),
            f"node {node!r}: padding {pad} must be 0 to kernel - 1 ({k - 1}) at each side",
        )
        got = (size + sum(pad) - k) // step + 1 if size + sum(pad) >= k else 0
        need(got == want, f"node {node!r}: the output's {name} is {want}, the window gives {got}")


def windows(
    x: NDArray[np.int64],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    outside: int,
    *,
    circular: bool = False,
) -> NDArray[np.int64]:
    """Return (images, channels, out_height, out_width, kh, kw) windows of maps (images, channels, height, width)."""
    pads = ((0, 0), (0, 0), (padding.top, padding.bottom), (padding.left, padding.right))
    padded = np.pad(x, pads, mode="wrap") if circular else np.pad(x, pads, constant_values=outside)
    view = sliding_window_view(padded, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]

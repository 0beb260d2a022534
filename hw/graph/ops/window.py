"""Sliding windows, shared by convolutions and pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hw.graph.errors import need
from hw.graph.tensor import MAX_ELEMENTS, MAX_SIZE, Tensor

Values = Mapping[str, NDArray[np.uint8]]
Tensors = Mapping[str, Tensor]

BLOCK = 1 << 22
"""Elements of windows that are copied at once."""


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
    padded = source.channels * (source.height + sum(pads[0])) * (source.width + sum(pads[1]))
    need(padded <= 4 * MAX_ELEMENTS, f"node {node!r}: the padded map has more than {4 * MAX_ELEMENTS} elements")


def check_wrap(node: str, padding: Padding, source: Tensor) -> None:
    """Raise ``NetworkError`` if a circular padding is wider than the map."""
    need(
        max(padding.top, padding.bottom) <= source.height and max(padding.left, padding.right) <= source.width,
        f"node {node!r}: circular padding wider than the map",
    )


def wrapped(x: NDArray[np.int64], padding: Padding) -> NDArray[np.int64]:
    """Return maps (images, channels, height, width) with a border that is the other end of the map."""
    return np.pad(x, ((0, 0), (0, 0), (padding.top, padding.bottom), (padding.left, padding.right)), mode="wrap")


def blocks(height: int, width: int, elements: int) -> Iterator[tuple[slice, slice]]:
    """Yield (rows, columns) that cover a map in parts whose windows, of ``elements`` each, take little memory."""
    columns = max(1, min(width, BLOCK // elements))
    rows = max(1, BLOCK // (elements * columns))
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield slice(top, top + rows), slice(left, left + columns)


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
    padded = wrapped(x, padding) if circular else np.pad(x, pads, constant_values=outside)
    view = sliding_window_view(padded, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]


def pooled(
    x: NDArray[np.int64], kernel: tuple[int, int], stride: tuple[int, int], padding: Padding, reduce: np.ufunc
) -> NDArray[np.int64]:
    """Return (images, channels, out_height, out_width): every window reduced, columns first; 0 is outside the map.

    No more elements are touched than the windows have: those between windows are left out first.
    """
    pads = ((0, 0), (0, 0), (padding.top, padding.bottom), (padding.left, padding.right))
    x = np.pad(x, pads)
    steps = []
    for axis, k, step in ((2, kernel[0], stride[0]), (3, kernel[1], stride[1])):
        if step > k:
            starts = np.arange((x.shape[axis] - k) // step + 1) * step
            x = np.take(x, (starts[:, None] + np.arange(k)).ravel(), axis)
        steps.append((axis, k, min(step, k)))
    for axis, k, step in steps:
        x = np.moveaxis(x, axis, -1)
        end = (x.shape[-1] - k) // step * step + 1
        total = x[..., :end:step].copy()
        for i in range(1, k):
            reduce(total, x[..., i : i + end : step], out=total)
        x = np.moveaxis(total, -1, axis)
    return x


def check_view(node: str, source: Tensor, output: Tensor) -> None:
    """Raise ``NetworkError`` unless an output has its input's shape and format."""
    for field in ("channels", "height", "width", "bits", "zero_point", "exponent"):
        need(
            getattr(source, field) == getattr(output, field),
            f"node {node!r}: the output's {field} must be the input's",
        )

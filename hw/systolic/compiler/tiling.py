"""Cuts a layer's weights into tiles of rows x cols, and its output into strips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from hw.graph import Alphabet
from hw.systolic.compiler.constants import ColumnSums
from hw.systolic.compiler.layout import ImageLayout, Layout
from hw.systolic.compiler.plan import CompileError, PassPlan, Weights
from hw.systolic.config import EngineConfig
from hw.systolic.processing_element import borrow


def dense_weight(weight: np.ndarray, groups: int) -> Weights:
    """Return a grouped convolution's weight as (C_out, C_in, kh, kw), zeros where channels are not connected."""
    out, per_group, kh, kw = weight.shape
    dense = np.zeros((out, per_group * groups, kh, kw), np.int64)
    outs = out // groups
    for g in range(groups):
        rows, columns = slice(g * outs, (g + 1) * outs), slice(g * per_group, (g + 1) * per_group)
        dense[rows, columns] = weight[rows]
    return dense


def channel_tiles(channels: int, config: EngineConfig) -> Iterator[list[int | None]]:
    """Yield the output channel of every column, ``None`` for a column without one."""
    for start in range(0, channels, config.cols):
        yield [c if c < channels else None for c in range(start, start + config.cols)]


def logit_tiles(classes: int, config: EngineConfig) -> Iterator[list[int | None]]:
    """Yield the class of every column: only requantiser 0's columns, so that logits come out in order."""
    share = config.columns_per_requantizer
    for start in range(0, classes, share):
        columns: list[int | None] = [None] * config.cols
        for i in range(min(share, classes - start)):
            columns[i] = start + i
        yield columns


def window_passes(
    weight: Weights,
    columns: list[int | None],
    source: Layout,
    padding: tuple[int, int],
    config: EngineConfig,
    *,
    circular: bool = False,
) -> list[PassPlan]:
    """Return the passes of one column tile of a convolution: one for each tap and channel group.

    Parameters
    ----------
    weight : int64 array (C_out, C_in, kh, kw)
        Dense weight values.
    columns : list
        Output channel of every column or ``None``.
    source : Layout
        Where the input map lies.
    padding : (top, left)
        Padding above and left of the map.
    config : EngineConfig
        Shape of the engine.
    circular : bool
        The map wraps around: a window that begins outside of it begins at its other end.

    Notes
    -----
    Passes whose weights are all zero are left out, but for one. The passes of an image in two planes multiply its
    high bits, then, with the same weights, its low ones.
    """
    _, channels, kh, kw = weight.shape
    live = [(c, out) for c, out in enumerate(columns) if out is not None]
    cols = [c for c, _ in live]
    outs = [out for _, out in live]
    passes = []
    for dy in range(kh):
        if isinstance(source, ImageLayout):
            for dx in range(0, kw, source.window):
                tile = np.zeros((config.rows, config.cols), np.int64)
                for i in range(min(source.window, kw - dx)):
                    lane = source.first_lane + i * channels
                    tile[lane : lane + channels, cols] = weight[outs, :, dy, dx + i].T
                # A packed image has its own padding; a plain one is read beyond its edge.
                x, y = dx // source.step - (padding[1] - source.pad_left), dy - padding[0]
                if circular:
                    x, y = x % source.tensor.width, y % source.tensor.height
                passes.append(PassPlan(source.base + y * source.row + x, x, y, tile))
        else:
            for dx in range(kw):
                for g in range(source.groups):
                    part = weight[outs, g * config.rows : (g + 1) * config.rows, dy, dx]
                    tile = np.zeros((config.rows, config.cols), np.int64)
                    tile[: part.shape[1], cols] = part.T
                    x, y = dx - padding[1], dy - padding[0]
                    if circular:
                        x, y = x % source.tensor.width, y % source.tensor.height
                    passes.append(PassPlan(source.base + y * source.row + x * source.pixel + g, x, y, tile))
    used = [p for p in passes if p.weights is not None and p.weights.any()]
    used = used or passes[:1]
    if not isinstance(source, ImageLayout) or source.planes == 1:
        return used
    low = [
        replace(p, address=p.address + source.words_per_row, low=True, shift_sums=i == 0) for i, p in enumerate(used)
    ]
    return [*(replace(p, scale=1 << source.low_bits) for p in used), *low]


def identity_tile(
    columns: list[int | None], first_channel: int, source: Layout, config: EngineConfig
) -> tuple[Weights, int]:
    """Return (weights, channel group) that pass channels ``first_channel ..`` of the map on to the columns."""
    tile = np.zeros((config.rows, config.cols), np.int64)
    offset = source.first_lane if isinstance(source, ImageLayout) else 0
    group, lane = divmod(first_channel, config.rows)
    for c, out in enumerate(columns):
        if out is not None:
            tile[offset + lane + c, c] = 1
    return tile, group


def column_sums(
    passes: Iterable[PassPlan], columns: list[int | None], config: EngineConfig
) -> dict[int, tuple[int, int, int]]:
    """Return (positive, negative, borrows) for every output channel of a tile."""
    passes = list(passes)
    # The passes for the low bits have the weights of those for the high ones.
    stack = np.array([p.weights for p in passes if not p.low])
    positive = np.where(stack > 0, stack, 0).sum(axis=(0, 1))
    negative = np.where(stack < 0, stack, 0).sum(axis=(0, 1))
    every, scale = np.array([p.weights for p in passes]), np.array([p.scale for p in passes])
    missing = borrow(config.alphabet, every[:, ::2], every[:, 1::2], apart=config.signs_apart)
    borrows = (missing.sum(axis=1) * scale[:, None]).sum(axis=0)
    return {
        out: (int(positive[c]), int(negative[c]), int(borrows[c])) for c, out in enumerate(columns) if out is not None
    }


def join_sums(parts: Iterable[dict[int, tuple[int, int, int]]]) -> ColumnSums:
    """Return the sums of all channels of a layer, in channel order."""
    merged: dict[int, tuple[int, int, int]] = {}
    for part in parts:
        merged.update(part)
    rows = np.array([merged[c] for c in sorted(merged)], np.int64)
    return ColumnSums(rows[:, 0], rows[:, 1], rows[:, 2])


def strip_rows(node: str, height: int, width: int, config: EngineConfig, *, even: bool = False) -> int:
    """Return how many output rows of a layer run at once: the largest (``even``) divisor whose sums fit."""
    for rows in range(min(height, config.psum_depth // width), 0, -1):
        if height % rows == 0 and not (even and rows % 2):
            return rows
    measured = "two measured rows, which must be at hand together," if even else "output rows"
    raise CompileError(f"layer {node!r} has {measured} of {width} pixels, the engine sums {config.psum_depth} at once")


def check_alphabet(node: str, weights: Weights, alphabet: Alphabet) -> None:
    """Raise :class:`CompileError` if a weight value is not in the engine's alphabet."""
    unknown = set(np.unique(weights).tolist()) - set(alphabet.values)
    if unknown:
        raise CompileError(f"layer {node!r} has the weight {min(unknown)}, the engine's cells know {alphabet}")

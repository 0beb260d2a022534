"""How an average pool becomes passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw.graph import Rescale
from hw.graph.ops import AveragePool
from hw.systolic.compiler import tiling
from hw.systolic.compiler.layout import MapLayout
from hw.systolic.compiler.lowering import Columns, Lowering
from hw.systolic.compiler.plan import LayerPlan


def lower(lowering: Lowering, node: AveragePool) -> list[LayerPlan]:
    """Return the layer of an average pool: a pass for each element of the window."""
    output = lowering.map(node.output).tensor
    kh, kw = node.kernel
    taps = [(dy - node.padding.top, dx - node.padding.left) for dy in range(kh) for dx in range(kw)]
    whole_map = output.height == output.width == 1 and isinstance(lowering.layouts[node.input], MapLayout)
    # All groups have a partial sum at once.
    fit = lowering.map(node.output).groups <= lowering.config.psum_depth
    if whole_map and fit and _one_constant(node.rescale):
        return [_global_pool(lowering, node, taps)]
    tiles = [
        (columns, [lowering.tap(columns, node.input, y, x) for y, x in taps])
        for columns in tiling.channel_tiles(output.channels, lowering.config)
    ]
    return [lowering.layer(node.name, node.input, node.output, tiles, node.rescale, node.stride, None, 0)]


def _global_pool(lowering: Lowering, node: AveragePool, taps: list[tuple[int, int]]) -> LayerPlan:
    """All channel groups of a pixel are the "pixels" of a pass: one weight tile for each part of a word."""
    output, config = lowering.map(node.output), lowering.config
    tiles = []
    for lane in range(0, min(config.rows, output.tensor.channels), config.cols):
        columns: Columns = list(range(lane, lane + config.cols))
        tiles.append((columns, [lowering.tap(columns, node.input, y, x) for y, x in taps]))
    plan = lowering.layer(node.name, node.input, node.output, tiles, node.rescale, (0, 0), None, 0)
    steps = tuple(replace(tile, output_step=1) for tile in plan.tiles)
    return replace(plan, cols=output.groups, rows=1, x_step=1, y_step=0, tiles=steps)


def _one_constant(rescale: Rescale) -> bool:
    """Whether all channels have the same output formula."""
    return all(np.all(v == v[0]) for v in (rescale.t, rescale.j, rescale.s, rescale.p, rescale.k, rescale.b))

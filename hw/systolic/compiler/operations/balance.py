"""How the balance of attention becomes a pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw.graph.ops import Balance
from hw.systolic.compiler import tiling
from hw.systolic.compiler.layout import MapLayout
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError, LayerPlan


def lower(lowering: Lowering, node: Balance) -> list[LayerPlan]:
    """Return the layer of a balance: the same word for every pixel, times the signs, and the map on the way out."""
    if not isinstance(lowering.layouts[node.input], MapLayout):
        raise CompileError(f"layer {node.name!r} adds the image itself; the engine adds stored maps only")
    tiles = []
    for columns in tiling.channel_tiles(lowering.map(node.output).tensor.channels, lowering.config):
        step = lowering.tap(columns, node.input, 0, 0)
        sign = np.array([node.sign[c] if c is not None else 0 for c in columns], np.int64)
        assert step.weights is not None
        tiles.append((columns, [replace(step, weights=step.weights * sign)]))
    return [lowering.layer(node.name, node.input, node.output, tiles, node.rescale, (0, 0), node.residual, 0)]

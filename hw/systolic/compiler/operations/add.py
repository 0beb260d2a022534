"""How an addition becomes a pass."""

from __future__ import annotations

from hw.graph.ops import Add
from hw.systolic.compiler import tiling
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import LayerPlan


def lower(lowering: Lowering, node: Add) -> list[LayerPlan]:
    """Return the layer of an addition: the array passes one operand on, the other is added on the way out."""
    tiles = [
        (columns, [lowering.tap(columns, node.input, 0, 0)])
        for columns in tiling.channel_tiles(lowering.map(node.output).tensor.channels, lowering.config)
    ]
    return [lowering.layer(node.name, node.input, node.output, tiles, node.rescale, (1, 1), node.residual, 0)]

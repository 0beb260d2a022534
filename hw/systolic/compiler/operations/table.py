"""How a table becomes a pass."""

from __future__ import annotations

from dataclasses import replace

from hw.graph import Rescale
from hw.graph.ops import Table
from hw.systolic.compiler import tiling
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError, LayerPlan


def lower(lowering: Lowering, node: Table) -> list[LayerPlan]:
    """Return the layer of a table: the array passes the stored numbers on, and they are looked up on the way out."""
    if not lowering.config.table:
        raise CompileError(f"layer {node.name!r} is a table; the engine was built without")
    channels = lowering.map(node.output).tensor.channels
    tiles = [
        (columns, [lowering.tap(columns, node.input, 0, 0)])
        for columns in tiling.channel_tiles(channels, lowering.config)
    ]
    # The stored numbers as they are: zero points must not be taken off and put back.
    source = replace(lowering.network.tensor(node.input), zero_point=0)
    plan = lowering.layer(
        node.name, node.input, node.output, tiles, Rescale.identity(channels), (1, 1), None, 0, [source, source]
    )
    return [replace(plan, border=0, maximum=source.maximum, table=node.table)]

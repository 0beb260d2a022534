"""How a table becomes passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw.graph import Rescale
from hw.graph.ops import Table
from hw.systolic.compiler import tiling
from hw.systolic.compiler.layout import MapLayout, scratch_name
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError, LayerPlan, PassPlan


def lower(lowering: Lowering, node: Table) -> list[LayerPlan]:
    """Return the two layers of a table.

    The array passes the stored numbers on to the columns of requantiser 0, behind which the table is, and each few make
    a word of their own; then it joins such words.
    """
    config = lowering.config
    if not config.table:
        raise CompileError(f"layer {node.name!r} is a table; the engine was built without")
    if not isinstance(lowering.layouts[node.input], MapLayout):
        raise CompileError(f"layer {node.name!r} looks the image itself up; the engine looks stored maps up only")
    source, looked_up, output = (lowering.map(name) for name in (node.input, scratch_name(node), node.output))
    channels, share = output.tensor.channels, config.columns_per_requantizer
    identity = Rescale.identity(channels)
    # The stored numbers as they are: zero points must not be taken off and put back.
    before, behind = replace(source.tensor, zero_point=0), replace(output.tensor, zero_point=0)
    tiles = [(columns, [lowering.tap(columns, node.input, 0, 0)]) for columns in tiling.logit_tiles(channels, config)]
    look_up = lowering.layer(node.name, node.input, node.output, tiles, identity, (1, 1), None, 0, [before, before])
    words = tuple(
        replace(tile, output=looked_up.base + i, output_step=looked_up.pixel, lane_set=0)
        for i, tile in enumerate(look_up.tiles)
    )
    look_up = replace(
        look_up,
        border=0,
        maximum=before.maximum,
        table=node.table,
        tiles=words,
        measures=None,
        norm_bits=0,
    )
    joins = []
    for columns in tiling.channel_tiles(channels, config):
        passes: dict[int, np.ndarray] = {}
        for column, channel in enumerate(columns):
            if channel is not None:
                word, lane = divmod(channel, share)
                passes.setdefault(word, np.zeros((config.rows, config.cols), np.int64))[lane, column] = 1
        joins.append((columns, [PassPlan(looked_up.base + word, 0, 0, tile) for word, tile in passes.items()]))
    join = lowering.layer(
        node.name, scratch_name(node), node.output, joins, identity, (1, 1), None, 0, [behind, behind]
    )
    return [look_up, replace(join, border=0)]

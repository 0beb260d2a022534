"""How the last layer becomes passes."""

from __future__ import annotations

import numpy as np

from hw.graph.ops import Logits
from hw.systolic.compiler import tiling
from hw.systolic.compiler.constants import logit_formula
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import LayerPlan, TilePlan


def lower(lowering: Lowering, node: Logits) -> list[LayerPlan]:
    """Return the layer of the logits, which leave the engine instead of being stored."""
    config = lowering.config
    weight = np.asarray(node.weight, np.int64)
    tiling.check_alphabet(node.name, weight, config.alphabet)
    source = lowering.layouts[node.input]
    tiles = [
        (columns, tiling.window_passes(weight, columns, source, (0, 0), config))
        for columns in tiling.logit_tiles(weight.shape[0], config)
    ]
    sums = tiling.join_sums(tiling.column_sums(passes, columns, config) for columns, passes in tiles)
    formula = logit_formula(np.asarray(node.bias, np.int64), sums, source.tensor)
    lowering.check_formula(node.name, formula)
    plan = LayerPlan(
        node=node.name,
        **lowering.geometry(source, (1, 1), 1, 1),
        maximum=0,
        classes=weight.shape[0],
        tiles=tuple(
            TilePlan(tuple(passes), lowering.constants(columns, formula), output=0, output_step=0)
            for columns, passes in tiles
        ),
        macs=int(weight.size),
        needs=formula.needs,
    )
    return [plan]

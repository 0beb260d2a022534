"""How a convolution becomes passes."""

from __future__ import annotations

from hw.graph.ops import Convolution
from hw.systolic.compiler import tiling
from hw.systolic.compiler.fold_shifts import FoldedConvolution
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import LayerPlan


def lower(lowering: Lowering, node: Convolution) -> list[LayerPlan]:
    """Return the layer of a convolution: a pass for each tap and channel group."""
    source = lowering.layouts[node.input]
    weight = tiling.dense_weight(node.weight, node.groups)
    tiling.check_alphabet(node.name, weight, lowering.config.alphabet)
    tiles = [
        (
            columns,
            tiling.window_passes(
                weight, columns, source, (node.padding.top, node.padding.left), lowering.config, circular=node.circular
            ),
        )
        for columns in tiling.channel_tiles(weight.shape[0], lowering.config)
    ]
    output = lowering.map(node.output).tensor
    multiplications = node.multiplications if isinstance(node, FoldedConvolution) else node.weight.size
    macs = multiplications * output.height * output.width
    return [
        lowering.layer(
            node.name, node.input, node.output, tiles, node.rescale, node.stride, node.residual, macs,
            circular=node.circular,
        )
    ]  # fmt: skip

"""How a convolution becomes passes."""

from __future__ import annotations

from hw.graph.ops import Convolution
from hw.systolic.compiler import tiling
from hw.systolic.compiler.fold_shifts import FoldedConvolution
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError, LayerPlan


def lower(lowering: Lowering, node: Convolution) -> list[LayerPlan]:
    """Return the layer of a convolution: a pass for each tap and channel group."""
    if node.circular:
        raise CompileError(f"layer {node.name!r} pads circularly; the engine pads with the zero point")
    weight = tiling.dense_weight(node.weight, node.groups)
    tiling.check_alphabet(node.name, weight, lowering.config.alphabet)
    tiles = [
        (
            columns,
            tiling.window_passes(
                weight, columns, lowering.layouts[node.input], (node.padding.top, node.padding.left), lowering.config
            ),
        )
        for columns in tiling.channel_tiles(weight.shape[0], lowering.config)
    ]
    output = lowering.map(node.output).tensor
    multiplications = node.multiplications if isinstance(node, FoldedConvolution) else node.weight.size
    macs = multiplications * output.height * output.width
    return [lowering.layer(node.name, node.input, node.output, tiles, node.rescale, node.stride, node.residual, macs)]

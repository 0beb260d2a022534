"""How a max pool becomes passes."""

from __future__ import annotations

from dataclasses import replace

from hw.graph import Rescale
from hw.graph.ops import MaxPool
from hw.systolic.compiler import tiling
from hw.systolic.compiler.lowering import Lowering, guides
from hw.systolic.compiler.plan import CompileError, LayerPlan
from hw.systolic.program import ResidualMode


def lower(lowering: Lowering, node: MaxPool) -> list[LayerPlan]:
    """Return the layers of a max pool: the first element is stored, then compared with each of the others."""
    if not lowering.config.max_pool:
        raise CompileError(f"layer {node.name!r} is a max pool; the engine was built without")
    output = lowering.map(node.output).tensor
    kh, kw = node.kernel
    taps = [(dy - node.padding.top, dx - node.padding.left) for dy in range(kh) for dx in range(kw)]
    rescale = Rescale.identity(output.channels)
    # The array passes the stored number on as it is: zero points must not be taken off and put back.
    tensors = [replace(lowering.network.tensor(name), zero_point=0) for name in (node.input, node.output)]
    plans = []
    source = lowering.network.tensor(node.input)
    if node.circular:
        taps = [(y % source.height, x % source.width) for y, x in taps]
    # What is measured is the last comparison's result.
    last = len(taps) - 1 if node.output in guides(lowering.network) else len(taps)
    parts = ((taps[:1], ResidualMode.NONE), (taps[1:last], ResidualMode.MAXIMUM), (taps[last:], ResidualMode.MAXIMUM))
    for part, mode in parts if len(taps) > 1 else parts[:1]:
        tiles = [
            (columns, [lowering.tap(columns, node.input, y, x)])
            for columns in tiling.channel_tiles(output.channels, lowering.config)
            for y, x in part
        ]
        if tiles:
            plan = lowering.layer(
                node.name, node.input, node.output, tiles, rescale, node.stride, None, 0, tensors,
                circular=node.circular,
            )  # fmt: skip
            plan = replace(plan, border=0, residual=mode)
            if mode is ResidualMode.MAXIMUM:
                plan = replace(
                    plan,
                    tiles=tuple(replace(t, residual=t.output, residual_step=t.output_step) for t in plan.tiles),
                    strip_steps={**plan.strip_steps, "residual_step": plan.strip_steps["output_step"]},
                )
            plans.append(plan)
    return [*(replace(plan, measures=None, norm_bits=0) for plan in plans[:-1]), plans[-1]]

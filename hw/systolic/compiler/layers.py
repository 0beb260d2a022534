"""From an integer network to layer plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw.graph import Network
from hw.graph.ops import Convolution, Logits, Node
from hw.systolic.compiler.fold_shifts import FoldedConvolution
from hw.systolic.compiler.layout import ImageLayout, Layout
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.operations import LOWER
from hw.systolic.compiler.plan import CompileError, LayerPlan, without_reloads
from hw.systolic.config import EngineConfig
from hw.systolic.program import COORDINATE_BITS, MOST_WORDS, instruction_words


def layer_plans(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> list[LayerPlan]:
    """Return the layers of a whole network, in order.

    Raises
    ------
    CompileError
        If the engine cannot do one of them: its name, what it needs and what there is.
    """
    _check_size(network, config)
    lowering = Lowering(network, layouts, config)
    plans: list[LayerPlan] = []
    for node in network.nodes:
        plans += lower_node(lowering, node)
    for plan in plans:
        _check_plan(plan, config)
    _check_phases(plans)
    _check_tables(plans)
    _check_image(network, layouts, config)
    return [_without_reloads(plan) for plan in plans]


def lower_node(lowering: Lowering, node: Node) -> list[LayerPlan]:
    """Return the layers of one node; raises :class:`CompileError` if the engine cannot do it."""
    if type(node) not in LOWER:
        raise CompileError(f"layer {node.name!r}: the engine has no {type(node).__name__}")
    return LOWER[type(node)](lowering, node)


def _check_phases(plans: list[LayerPlan]) -> None:
    """Refuse a layer that reads a phase of another map than the one that was measured last."""
    measured = None
    for plan in plans:
        if plan.view is not None and plan.view.guide not in (None, measured):
            found = f"{measured!r} was measured since" if measured else "nothing was measured"
            raise CompileError(
                f"layer {plan.node!r} reads a phase that {plan.view.guide!r} chooses, but {found}; "
                f"the engine remembers one phase"
            )
        measured = plan.measures or measured


def _check_tables(plans: list[LayerPlan]) -> None:
    """Refuse a second table."""
    tables = [(plan.node, plan.table) for plan in plans if plan.table is not None]
    for node, table in tables[1:]:
        if not np.array_equal(table, tables[0][1]):
            raise CompileError(f"layers {tables[0][0]!r} and {node!r} have different tables, the engine holds one")


def _check_size(network: Network, config: EngineConfig) -> None:
    """Refuse at once what would take minutes to find too large: a pass of an array of weights is an instruction."""
    weighted = [node for node in network.nodes if isinstance(node, Convolution | Logits)]
    # The zeros between what shifts point to take no pass.
    weights = sum(n.multiplications if isinstance(n, FoldedConvolution) else n.weight.size for n in weighted)
    least = -(-weights // (config.rows * config.cols)) * instruction_words(config)
    if least > MOST_WORDS:
        raise CompileError(
            f"the network is too large for a program: {weights} weights take {least} words of instructions at "
            f"least, a program has {MOST_WORDS} at most"
        )


def _check_image(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> None:
    image = layouts[network.input]
    assert isinstance(image, ImageLayout)
    width, rows = image.tensor.width, image.planes * image.tensor.height
    if max(width, rows).bit_length() > config.coordinate_bits:
        raise CompileError(
            f"the image has {rows} rows of {width} pixels, the engine counts them in {config.coordinate_bits} bits"
        )


def _check_plan(plan: LayerPlan, config: EngineConfig) -> None:
    if plan.coordinate_bits > config.coordinate_bits:
        raise CompileError(
            f"layer {plan.node!r} needs coordinates of {plan.coordinate_bits} bits, "
            f"the engine has {config.coordinate_bits}"
        )
    places = [place for tile in plan.tiles for step in tile.passes for place in (step.x, step.y)]
    if max(map(abs, places)) >> COORDINATE_BITS - 1:
        raise CompileError(
            f"layer {plan.node!r} begins at pixel {max(places, key=abs)} of its map, a program holds at most "
            f"{(1 << COORDINATE_BITS - 1) - 1}"
        )
    for what, value, bits in (
        ("steps of {} memory words", plan.largest_step, config.step_bits),
        ("strides of {} pixels", max(plan.stride_x, plan.stride_y), config.stride_bits),
        ("{} classes", plan.classes, config.class_bits),
    ):
        if value >> bits:
            raise CompileError(
                f"layer {plan.node!r} has {what.format(value)}, the engine was built for at most {(1 << bits) - 1}"
            )
    if plan.view is not None and not config.circular:
        raise CompileError(f"layer {plan.node!r} reads a map that wraps around, or a phase; the engine has no views")
    if plan.norm_bits > config.norm_bits:
        raise CompileError(
            f"layer {plan.node!r} needs norms of {plan.norm_bits} bits, the engine has {config.norm_bits}"
        )
    if plan.view is not None and min(plan.width, plan.height) < 0:
        raise CompileError(f"layer {plan.node!r} has a stride that is larger than its map, which wraps around")
    full = (1 << config.activation_bits) - 1
    if not config.mixed_bits and ((not plan.classes and plan.maximum != full) or plan.border not in (0, full + 1 >> 1)):
        raise CompileError(
            f"layer {plan.node!r} has activations of fewer than {config.activation_bits} bits; "
            f"the engine was built for {config.activation_bits} bits only"
        )


def _without_reloads(plan: LayerPlan) -> LayerPlan:
    """Keep the weights of the pass before where they are the same (pooling), unless strips see to that themselves."""
    alone = plan.serpentine and plan.strips > 1
    return plan if alone else replace(plan, tiles=tuple(without_reloads(plan.tiles)))

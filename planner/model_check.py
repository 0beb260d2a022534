"""Whether a PyTorch model would build for a board, before any training."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from bitstreams.boards import board_by_name
from hw.graph import NetworkError
from planner.advice import LEAVE_OUT, nearest, operation
from planner.network_check import check_network
from planner.verdict import Answer, LayerVerdict, Verdict
from s3train.convert import trace
from s3train.converter import Converter
from s3train.export import export
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.invariance import check_invariance
from s3train.normal_form import normalise

_NO_WORK = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)


@dataclass(frozen=True)
class _Row:
    """An operation of the traced model; ``names`` are those that its integer form may have.

    A name that begins with a digit gets an underscore before it.
    """

    node: str
    layer: str
    operation: str
    output: str
    instead: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    no_work: bool


def check_model(
    model: nn.Module,
    example_input: Tensor,
    *,
    board: str = "icebreaker",
    method: str = "s3",
    bits: int = 3,
    activation_bits: int = 8,
    image: TensorFormat | None = None,
    add_norms: bool = False,
) -> Verdict:
    """Return whether a model would convert, export and build for a board.

    Nothing is trained, and the model is not changed. Weights are those that conversion begins with, so widths, clocks
    and sizes are near to what training will end with, not equal; what is refused here is refused later.

    Parameters
    ----------
    model : Module
        A float model.
    example_input : Tensor (images, channels, height, width) or (images, channels, length)
        A batch like the ones it gets; values as it sees them.
    board : str
        Name of a board.
    method, bits, activation_bits, add_norms
        As of :func:`s3train.convert`.
    image : TensorFormat or None
        Format of the images; ``None``: 8 bits with the range of ``example_input``.

    Raises
    ------
    ValueError
        If the board is unknown or the input is no batch.
    """
    target = board_by_name(board)
    if example_input.ndim not in (3, 4):
        raise ValueError(
            f"example_input has {example_input.ndim} dimensions, supported are (images, channels, height, width) and "
            f"(images, channels, length)"
        )
    name = type(model).__name__
    form = image or image_format(example_input)
    problems: dict[str, str] = {}
    try:
        graph = trace(model)
        normalise(graph, problems)
        check_invariance(graph, problems)
        ShapeProp(graph.eval()).propagate(example_input)
    except UnsupportedModelError as error:
        return _no(name, board, (), str(error))
    except RuntimeError as error:
        size = tuple(example_input.shape)
        reason = str(error.__cause__ or error).splitlines()[0]
        return _no(name, board, (), f"the model does not run on an input of shape {size}: {reason}")
    rows = _rows(graph)
    converter = Converter(graph, method, bits, form, activation_bits, 2, (), {}, add_norms=add_norms, problems=problems)
    converted = converter.run()
    _forgive_last(rows, problems)
    if problems:
        layers = tuple(_refusals(rows, problems))
        whole = tuple(
            "; ".join(filter(None, (sentence, nearest(None, {}, sentence))))
            for node, sentence in problems.items()
            if node not in {row.node for row in rows}
        )
        return Verdict(name, board, layers, whole, None, Answer.NO)
    shape = tuple(example_input.shape[1:])
    try:
        network = export(_with_scales(converted, example_input), form, shape, name=name)
    except (UnsupportedModelError, NetworkError) as error:
        return _no(name, board, tuple(_layer(row) for row in rows), str(error))
    verdict = check_network(network, target)
    return replace(verdict, layers=tuple(_merged(rows, verdict)))


def image_format(images: Tensor) -> TensorFormat:
    """Return the format of 8 bits whose range is that of some images, signed if one of them has a negative value."""
    signed = bool((images < 0).any())
    top = float(images.double().abs().max())
    exponent = math.floor(math.log2((127.5 if signed else 255.5) / top)) if top > 0 else 0
    return TensorFormat(8, 128 if signed else 0, max(-15, min(15, exponent)))


def _with_scales(model: fx.GraphModule, images: Tensor) -> fx.GraphModule:
    """Return the model with its scales set by a batch, as training does with its first one."""
    model.train()
    with torch.no_grad():
        # A single image has no variance over a map of one pixel.
        model(torch.cat((images, images.flip(-1)))) if len(images) == 1 else model(images)
    return model


def _rows(graph: fx.GraphModule) -> list[_Row]:
    modules = dict(graph.named_modules())
    rows = []
    for node in graph.graph.nodes:
        if node.op in ("placeholder", "output", "get_attr"):
            continue
        shape = getattr(node.meta.get("tensor_meta"), "shape", ())
        layer = str(node.target) if node.op == "call_module" else node.name
        base = layer.replace(".", "_")
        rows.append(
            _Row(
                node.name,
                layer,
                operation(node, modules),
                "x".join(map(str, shape[1:])),
                nearest(node, modules, ""),
                tuple(source.name for source in node.all_input_nodes),
                (*(f"{under}{base}_{end}" for under in ("", "_") for end in ("block", "logits", "average")), node.name),
                isinstance(modules.get(str(node.target)), _NO_WORK),
            )
        )
    return rows


def _forgive_last(rows: list[_Row], problems: dict[str, str]) -> None:
    """Blame a softmax behind the last layer, not the layer before it for being no last one."""
    if len(rows) > 1 and rows[-1].instead == LEAVE_OUT:
        problems.pop("output", None)
        problems.pop(rows[-1].inputs[0], None)


def _layer(row: _Row, reason: str = "", instead: str = "", note: str = "") -> LayerVerdict:
    return LayerVerdict(row.layer, row.operation, row.output, reason, instead, note)


def _refusals(rows: list[_Row], problems: dict[str, str]) -> list[LayerVerdict]:
    """Return the rows of a model with problems; what is refused only because of another layer says so."""
    failed: dict[str, str] = {}
    layers = []
    for row in rows:
        sentence = problems.get(row.node, "")
        before = next((failed[name] for name in row.inputs if name in failed), None)
        if before is not None and "supported only behind" in sentence:
            failed[row.node] = before
            layers.append(_layer(row, note=f"behind {before}"))
            continue
        if not sentence:
            layers.append(_layer(row))
            continue
        failed[row.node] = row.layer
        reason = re.split(", supported are Conv1d|; add_norms", sentence.removeprefix(f"{row.layer}: "))[0]
        layers.append(_layer(row, reason=reason, instead=nearest(None, {}, sentence) or row.instead))
    return layers


def _merged(rows: list[_Row], verdict: Verdict) -> list[LayerVerdict]:
    """Return the model's rows with what is known of their integer forms."""
    found = {layer.layer: layer for layer in verdict.layers}
    merged = []
    for row in rows:
        name = next((name for name in row.names if name in found), None)
        if name is not None:
            merged.append(replace(found[name], layer=row.layer, operation=row.operation, output=row.output))
        else:
            merged.append(_layer(row, note="nothing to do" if row.no_work else "joined with the layer before"))
    return merged


def _no(name: str, board: str, layers: tuple[LayerVerdict, ...], reason: str) -> Verdict:
    return Verdict(name, board, layers, (reason,), None, Answer.NO)

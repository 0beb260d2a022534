"""Concatenations in a traced model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import fx

from s3train.formats import UnsupportedModelError
from s3train.layers import ActivationQuantizer, ShiftAveragePool2d, ShiftBalance, ShiftBlock

Quantizing = ShiftBlock | ShiftAveragePool2d | ShiftBalance


def is_concatenation(node: fx.Node) -> bool:
    """Return whether a node is ``torch.cat``; converted models have the tensors as its first argument."""
    return node.op == "call_function" and node.target in (torch.cat, torch.concat)


def share_quantizer(
    node: fx.Node, quantizing: Mapping[fx.Node, list[Quantizing]]
) -> tuple[ActivationQuantizer, list[Quantizing]]:
    """Give all parts of a concatenation one quantiser, so that their stored numbers mean the same.

    Parameters
    ----------
    node : Node
        The concatenation; its arguments are brought into the form ``(list of tensors, 1)``.
    quantizing : mapping
        What quantises every stored tensor of the graph.

    Returns
    -------
    quantizer, owners
        The shared quantiser, and the modules that have it now.

    Raises
    ------
    UnsupportedModelError
        If it is not the channels that are concatenated, a part is no layer's output or has a table's grid, or only some
        parts have a ReLU.
    """
    parts = node.args[0] if node.args else node.kwargs.get("tensors")
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if dim != 1 or not isinstance(parts, list | tuple):
        raise UnsupportedModelError(f"{node.name}: concatenates dimension {dim}, supported are the channels, 1")
    owners: list[Quantizing] = []
    for part in parts:
        found = quantizing.get(part) if isinstance(part, fx.Node) else None
        if not found:
            raise UnsupportedModelError(f"{node.name}: concatenates {part}, supported are outputs of layers")
        owners += found
    shared = owners[0].quantizer
    if any(owner.quantizer.signed != shared.signed for owner in owners):
        raise UnsupportedModelError(
            f"{node.name}: concatenates tensors with and without a ReLU, supported are all of one kind"
        )
    several = len(set(owners)) > 1
    if several and not all(owner.quantizer.learned for owner in owners):
        raise UnsupportedModelError(
            f"{node.name}: concatenates what a tanh reads too; its grid is the table's, supported is one of the two"
        )
    for owner in owners:
        owner.quantizer = shared
    shared.several_layers = shared.several_layers or several
    node.args, node.kwargs = (list(parts), 1), {}
    return shared, owners

"""One form for what a model can say in several: functions and methods of tensors become layers."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from s3train.formats import UnsupportedModelError

ADDITIONS = (operator.add, operator.iadd, torch.add)
"""Functions that add two branches."""

_WHOLE_MAP = ({2, 3}, {-2, -1})


def normalise(graph: fx.GraphModule, problems: dict[str, str] | None = None) -> None:
    """Rewrite a traced model in place, so that every operation with a layer of its own in torch is that layer.

    ========================================================  ==============================
    found                                                     becomes
    ========================================================  ==============================
    ``relu``, ``relu_``                                       ``ReLU``
    ``max_pool``, ``avg_pool``, ``adaptive_avg_pool``         ``MaxPool`` and so on, 1-D, 2-D
    mean over height and width                                ``AdaptiveAvgPool2d(1)``
    ``flatten(1)``, ``view`` and ``reshape`` to two sizes     ``Flatten``
    ``dropout``                                               ``Dropout``
    ``layer(input=x)``, ``layer(guide=y, x=x)``               ``layer(x)``, ``layer(x, y)``
    ``x.add(y)``                                              ``x + y``
    ========================================================  ==============================

    The layer has the name of the operation it stands for. With ``problems``, what is refused is written down there by
    the name of its node, and left as it is.

    Raises
    ------
    UnsupportedModelError
        If a view or mean is none of these.
    """
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and node.kwargs:
            _make_positional(graph, node)
        if node.op == "call_method" and node.target in ("add", "add_") and len(node.args) == 2 and not node.kwargs:
            node.op, node.target = "call_function", operator.add
        try:
            layers = _layers(node)
        except UnsupportedModelError as error:
            if problems is None:
                raise
            problems[node.name] = str(error)
            continue
        if layers:
            _insert(graph, node, layers)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _make_positional(graph: fx.GraphModule, node: fx.Node) -> None:
    """Put a layer's named arguments into the order in which its forward has them."""
    forward = inspect.signature(graph.get_submodule(str(node.target)).forward)
    try:
        bound = forward.bind(*node.args, **node.kwargs)
    except TypeError:
        # Running the model says what is wrong with them.
        return
    node.args, node.kwargs = bound.args, bound.kwargs


def _insert(graph: fx.GraphModule, node: fx.Node, layers: list[nn.Module]) -> None:
    """Put layers in a row in an operation's place."""
    source = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(source, fx.Node)
    for i, layer in enumerate(layers):
        name = node.name if i == len(layers) - 1 else f"{node.name}_{type(layer).__name__.lower()}"
        while hasattr(graph, name):
            name += "_"
        graph.add_module(name, layer)
        with graph.graph.inserting_before(node):
            source = graph.graph.call_module(name, (source,))
    node.replace_all_uses_with(source)
    graph.graph.erase_node(node)


def _layers(node: fx.Node) -> list[nn.Module]:
    """Return the layers that, in a row, do the same as a function or method; none where it has no such layers."""
    if node.op not in ("call_function", "call_method") or not (node.args or "input" in node.kwargs):
        return []
    known = _FUNCTIONS if node.op == "call_function" else _METHODS
    make = next((make for target, make in known if target is node.target or target == node.target), None)
    if make is None:
        return []
    kwargs = {key: value for key, value in node.kwargs.items() if key != "input"}
    try:
        return make(node, *node.args[1 if node.args else 0 :], **kwargs)
    except TypeError as error:
        raise UnsupportedModelError(f"{node.name}: {error}") from error


def _relu(node: fx.Node, inplace: bool = False) -> list[nn.Module]:
    return [nn.ReLU()]


def _dropout(node: fx.Node, p: float = 0.5, training: bool = True, inplace: bool = False) -> list[nn.Module]:
    return [nn.Dropout(p)]


def _pool(kind: Callable[..., nn.Module]) -> Callable[..., list[nn.Module]]:
    """Return what makes a pool of the arguments of its function, which are those of its layer."""

    def make(node: fx.Node, *args: Any, **kwargs: Any) -> list[nn.Module]:
        return [kind(*args, **kwargs)]

    return make


def _mean(node: fx.Node, dim: Any = None, keepdim: bool = False, **other: Any) -> list[nn.Module]:
    dims = {dim} if isinstance(dim, int) else set(dim or ())
    if dims not in _WHOLE_MAP or other:
        raise UnsupportedModelError(
            f"{node.name}: a mean over dimensions {dim}, supported is one over height and width, (2, 3)"
        )
    return [nn.AdaptiveAvgPool2d(1)] if keepdim else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def _flatten(node: fx.Node, start_dim: int = 0, end_dim: int = -1) -> list[nn.Module]:
    if start_dim != 1 or end_dim not in (-1, 3):
        raise UnsupportedModelError(
            f"{node.name}: flattens dimensions {start_dim} to {end_dim}, supported are all but the first: flatten(1)"
        )
    return [nn.Flatten()]


def _view(node: fx.Node, *shape: Any) -> list[nn.Module]:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    if len(sizes) != 2 or not (-1 in sizes or isinstance(sizes[0], fx.Node)):
        raise UnsupportedModelError(
            f"{node.name}: a view as {len(sizes)} dimensions, supported is (images, -1), which flattens"
        )
    return [nn.Flatten()]


_FUNCTIONS: list[tuple[Any, Callable[..., list[nn.Module]]]] = [
    *((target, _relu) for target in (torch.relu, torch.relu_, functional.relu, functional.relu_)),
    (functional.dropout, _dropout),
    (torch.flatten, _flatten),
    (torch.mean, _mean),
    (torch.reshape, _view),
    (functional.max_pool1d, _pool(nn.MaxPool1d)),
    (torch.max_pool1d, _pool(nn.MaxPool1d)),
    (functional.max_pool2d, _pool(nn.MaxPool2d)),
    (torch.max_pool2d, _pool(nn.MaxPool2d)),
    (functional.avg_pool1d, _pool(nn.AvgPool1d)),
    (functional.avg_pool2d, _pool(nn.AvgPool2d)),
    (functional.adaptive_avg_pool1d, _pool(nn.AdaptiveAvgPool1d)),
    (functional.adaptive_avg_pool2d, _pool(nn.AdaptiveAvgPool2d)),
]
_METHODS: list[tuple[str, Callable[..., list[nn.Module]]]] = [
    ("relu", _relu),
    ("relu_", _relu),
    ("flatten", _flatten),
    ("mean", _mean),
    ("view", _view),
    ("reshape", _view),
]

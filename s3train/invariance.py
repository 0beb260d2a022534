"""Whether a traced model with adaptive polyphase sampling is invariant to circular shifts, as that promises."""

from __future__ import annotations

from torch import fx, nn

from s3train.formats import UnsupportedModelError
from s3train.layers.polyphase import Polyphase, shift_problem, shift_refusal


def check_invariance(graph: fx.GraphModule, problems: dict[str, str] | None = None) -> None:
    """Refuse a normalised graph with a :class:`~s3train.layers.Polyphase` whose logits would change with shifts.

    Every layer must do the same at every pixel and wrap around, up to the global average; behind it there is nothing
    left to shift. With ``problems``, what is refused is written down there by the name of its node.

    Raises
    ------
    UnsupportedModelError
        Names the layer, and says why.
    """
    modules = dict(graph.named_modules())
    if not any(isinstance(module, Polyphase) for module in modules.values()):
        return
    # Nodes that are one number a channel.
    averaged: set[fx.Node] = set()
    for node in graph.graph.nodes:
        sources = node.all_input_nodes
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.AdaptiveAvgPool2d) or (sources and averaged.issuperset(sources)):
            averaged.add(node)
            continue
        reason = "flattens a map before its global average" if isinstance(module, nn.Flatten) else ""
        reason = reason or (shift_problem(module) if module is not None else "")
        if not reason:
            continue
        sentence = shift_refusal(str(node.target), reason)
        if problems is None:
            raise UnsupportedModelError(sentence)
        problems[node.name] = sentence

"""Graph to JSON and arrays, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hw.graph.errors import NetworkError, need
from hw.graph.network import MAX_NODES, Network
from hw.graph.ops import OPERATIONS, Convolution, Logits, Node
from hw.graph.ops.fields import Arrays, Fields
from hw.graph.tensor import MAX_TOTAL, Tensor


def graph_to_json(network: Network) -> tuple[dict[str, Any], Arrays]:
    """Return the graph as JSON types, and the arrays it refers to."""
    arrays: Arrays = {}
    nodes = []
    for i, node in enumerate(network.nodes):
        fields, own = node.to_fields()
        nodes.append({"op": type(node).__name__, "name": node.name, **fields})
        arrays |= {f"{i}.{name}": array for name, array in own.items()}
    graph = {
        "name": network.name,
        "input": network.input,
        "tensors": [asdict(network.tensors[name]) for name in sorted(network.tensors)],
        "nodes": nodes,
    }
    return graph, arrays


def graph_from_json(graph: Any, arrays: Arrays) -> Network:
    """Return the validated network of :func:`graph_to_json`."""
    fields = Fields("network", graph)
    name, source = fields.take("name", str), fields.take("input", str)
    tensor_list, node_list = fields.take("tensors", list), fields.take("nodes", list)
    fields.done()
    need(len(node_list) <= MAX_NODES and len(tensor_list) <= MAX_NODES, f"network: more than {MAX_NODES} nodes")
    tensors: dict[str, Tensor] = {}
    for i, given in enumerate(tensor_list):
        tensor = _tensor(Fields(f"tensor {i}", given))
        need(tensor.name not in tensors, f"tensor {tensor.name!r}: the name is used twice")
        tensors[tensor.name] = tensor
    left = dict(arrays)
    nodes: list[Node] = []
    weights = 0
    for i, given in enumerate(node_list):
        nodes.append(node := _node(Fields(f"node {i}", given, left, f"{i}.", tensors)))
        weights += node.weight.size if isinstance(node, Convolution | Logits) else 0
        need(weights <= MAX_TOTAL, f"network: more than {MAX_TOTAL} weights")
    need(not left, f"network: unknown array {next(iter(left), '')!r:.40}")
    network = Network(name, source, tensors, tuple(nodes))
    network.validate()
    return network


def _tensor(fields: Fields) -> Tensor:
    name = fields.take("name", str)
    numbers = [fields.take(f, int) for f in ("channels", "height", "width", "bits", "zero_point", "exponent")]
    fields.done()
    return Tensor(name, *numbers)


def _node(fields: Fields) -> Node:
    op, name = fields.take("op", str), fields.take("name", str)
    fields.where = f"node {name!r:.80}"
    if op not in OPERATIONS:
        raise NetworkError(f"{fields.where}: op {op!r:.40} is unknown, supported are {', '.join(OPERATIONS)}")
    node = OPERATIONS[op].from_fields(name, fields)
    fields.done()
    return node

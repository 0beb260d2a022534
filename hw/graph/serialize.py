"""Graph to JSON and weights to packed codes, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.alphabet import Alphabet
from hw.graph.errors import NetworkError, need
from hw.graph.network import MAX_NODES, Network
from hw.graph.ops import Add, AveragePool, Concatenation, Convolution, Logits, MaxPool, Node, Padding
from hw.graph.rescale import RANGES, Rescale
from hw.graph.tensor import MAX_TOTAL, MAX_WEIGHTS, Tensor

Arrays = dict[str, NDArray[Any]]


def pack_codes(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack a matrix of codes (rows, n): bits little-endian, every row padded to whole bytes."""
    spread = (codes[:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(spread.reshape(len(codes), -1), axis=1, bitorder="little")


def unpack_codes(packed: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint8]:
    """Return the codes (rows, count) of :func:`pack_codes`."""
    spread = np.unpackbits(packed, axis=1, count=count * bits, bitorder="little")
    return (spread.reshape(len(packed), count, bits) << np.arange(bits, dtype=np.uint8)).sum(axis=2, dtype=np.uint8)


def graph_to_json(network: Network) -> tuple[dict[str, Any], Arrays]:
    """Return the graph as JSON types, and the arrays it refers to."""
    arrays: Arrays = {}
    nodes = []
    for i, node in enumerate(network.nodes):
        fields: dict[str, Any] = {"op": type(node).__name__, "name": node.name}
        if isinstance(node, Concatenation):
            fields["inputs"] = list(node.inputs)
        else:
            fields["input"] = node.input
        if not isinstance(node, Logits):
            fields["output"] = node.output
        if isinstance(node, Convolution | AveragePool | MaxPool):
            fields |= {"stride": list(node.stride), "padding": asdict(node.padding)}
        if isinstance(node, AveragePool | MaxPool):
            fields["kernel"] = list(node.kernel)
        if isinstance(node, Convolution):
            fields |= {"groups": node.groups, "circular": node.circular}
        if isinstance(node, Convolution | Add):
            fields["residual"] = node.residual
        if isinstance(node, Convolution | Logits):
            if not _stored(node.alphabet):
                raise NetworkError(f"layer {node.name!r}: weights of the alphabet {node.alphabet} are for benches only")
            fields |= {"alphabet": str(node.alphabet), "weight_shape": list(node.weight.shape)}
            codes = node.alphabet.encode(node.weight).reshape(len(node.weight), -1)
            arrays[f"{i}.weight"] = pack_codes(codes, node.alphabet.bits)
        if isinstance(node, Logits):
            fields["exponent"] = node.exponent
            arrays[f"{i}.bias"] = node.bias.astype(np.int32)
        if isinstance(node, Convolution | AveragePool | Add):
            for field in RANGES:
                arrays[f"{i}.{field}"] = getattr(node.rescale, field).astype(np.int32 if field == "b" else np.int8)
        nodes.append(fields)
    graph = {
        "name": network.name,
        "input": network.input,
        "tensors": [asdict(network.tensors[name]) for name in sorted(network.tensors)],
        "nodes": nodes,
    }
    return graph, arrays


class _Reader:
    """Takes the fields of one JSON object, each exactly once and of the right type."""

    def __init__(self, where: str, fields: Any) -> None:
        need(isinstance(fields, dict), f"{where}: must be an object")
        self.where = where
        self.left = dict(fields)

    def take(self, name: str, kind: type | tuple[type, ...]) -> Any:
        need(name in self.left, f"{self.where}: field {name} is missing")
        value = self.left.pop(name)
        good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        need(good, f"{self.where}: field {name} has the wrong type")
        return value

    def integers(self, name: str, count: int) -> tuple[int, ...]:
        value = self.take(name, list)
        good = len(value) == count and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
        need(good and all(abs(v) < 1 << 31 for v in value), f"{self.where}: field {name} must be {count} integers")
        return tuple(value)

    def done(self) -> None:
        need(not self.left, f"{self.where}: unknown field {next(iter(self.left), '')!r:.40}")


def graph_from_json(graph: Any, arrays: Arrays) -> Network:
    """Return the validated network of :func:`graph_to_json`."""
    reader = _Reader("network", graph)
    name, source = reader.take("name", str), reader.take("input", str)
    tensor_list, node_list = reader.take("tensors", list), reader.take("nodes", list)
    reader.done()
    need(len(node_list) <= MAX_NODES and len(tensor_list) <= MAX_NODES, f"network: more than {MAX_NODES} nodes")
    tensors: dict[str, Tensor] = {}
    for i, fields in enumerate(tensor_list):
        item = _Reader(f"tensor {i}", fields)
        tensor = Tensor(
            item.take("name", str),
            *(item.take(f, int) for f in ("channels", "height", "width", "bits", "zero_point", "exponent")),
        )
        item.done()
        need(tensor.name not in tensors, f"tensor {tensor.name!r}: the name is used twice")
        tensors[tensor.name] = tensor
    left = dict(arrays)
    nodes: list[Node] = []
    weights = 0
    for i, fields in enumerate(node_list):
        nodes.append(node := _node(i, fields, tensors, left))
        weights += node.weight.size if isinstance(node, Convolution | Logits) else 0
        need(weights <= MAX_TOTAL, f"network: more than {MAX_TOTAL} weights")
    need(not left, f"network: unknown array {next(iter(left), '')!r:.40}")
    network = Network(name, source, tensors, tuple(nodes))
    network.validate()
    return network


def _array(arrays: Arrays, where: str, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    need(name in arrays, f"{where}: array {name} is missing")
    value = arrays.pop(name)
    need(
        value.dtype == dtype and value.shape == shape,
        f"{where}: array {name} is {value.dtype} {value.shape}, expected {np.dtype(dtype)} {shape}",
    )
    return value


def _node(i: int, fields: Any, tensors: dict[str, Tensor], arrays: Arrays) -> Node:
    reader = _Reader(f"node {i}", fields)
    op, name = reader.take("op", str), reader.take("name", str)
    reader.where = f"node {name!r:.80}"
    if op == "Concatenation":
        return _concatenation(reader, name)
    source = reader.take("input", str)
    output = "" if op == "Logits" else reader.take("output", str)
    node: Node
    if op == "Convolution":
        stride, padding = reader.integers("stride", 2), _padding(reader)
        groups, circular = reader.take("groups", int), reader.take("circular", bool)
        residual = reader.take("residual", (str, type(None)))
        alphabet, weight = _weight(reader, i, arrays)
        rescale = _rescale(reader, i, arrays, len(weight))
        node = Convolution(
            name, source, output, weight, alphabet, (stride[0], stride[1]), padding, groups, circular, rescale, residual
        )
    elif op in ("AveragePool", "MaxPool"):
        stride, kernel = reader.integers("stride", 2), reader.integers("kernel", 2)
        padding = _padding(reader)
        window = ((kernel[0], kernel[1]), (stride[0], stride[1]), padding)
        if op == "MaxPool":
            node = MaxPool(name, source, output, *window)
        else:
            channels = tensors[output].channels if output in tensors else 0
            node = AveragePool(name, source, output, *window, _rescale(reader, i, arrays, channels))
    elif op == "Add":
        channels = tensors[output].channels if output in tensors else 0
        node = Add(name, source, reader.take("residual", str), output, _rescale(reader, i, arrays, channels))
    elif op == "Logits":
        exponent = reader.take("exponent", int)
        alphabet, weight = _weight(reader, i, arrays)
        bias = _array(arrays, reader.where, f"{i}.bias", np.int32, (len(weight),)).astype(np.int64)
        node = Logits(name, source, weight, alphabet, bias, exponent)
    else:
        raise NetworkError(
            f"{reader.where}: op {op!r:.40} is unknown, "
            f"supported are Convolution, AveragePool, MaxPool, Add, Concatenation, Logits"
        )
    reader.done()
    return node


def _concatenation(reader: _Reader, name: str) -> Concatenation:
    inputs, output = reader.take("inputs", list), reader.take("output", str)
    reader.done()
    good = len(inputs) <= MAX_NODES and all(isinstance(part, str) for part in inputs)
    need(good, f"{reader.where}: field inputs must be names of tensors")
    return Concatenation(name, tuple(inputs), output)


def _padding(reader: _Reader) -> Padding:
    item = _Reader(f"{reader.where}: padding", reader.take("padding", dict))
    padding = Padding(*(item.take(side, int) for side in ("top", "bottom", "left", "right")))
    item.done()
    return padding


def _stored(alphabet: Alphabet) -> bool:
    """Whether a file may have the alphabet: engines know more, and benches."""
    return alphabet.shifts and alphabet.limit is None


def _weight(reader: _Reader, i: int, arrays: Arrays) -> tuple[Alphabet, NDArray[np.int32]]:
    text = reader.take("alphabet", str)
    alphabet = Alphabet.parse(text)
    if not _stored(alphabet):
        raise NetworkError(f"alphabet {text!r}: not one of a layer, supported are s3-2 … s3-5 and dense-2 … dense-4")
    shape = reader.integers("weight_shape", 4)
    size = 1
    for n in shape:
        need(1 <= n <= MAX_WEIGHTS, f"{reader.where}: weight_shape {shape} must be positive")
        size *= n
    need(size <= MAX_WEIGHTS, f"{reader.where}: weight has more than {MAX_WEIGHTS} elements")
    count = size // shape[0]
    row_bytes = -(-count * alphabet.bits // 8)
    packed = _array(arrays, reader.where, f"{i}.weight", np.uint8, (shape[0], row_bytes))
    codes = unpack_codes(packed, count, alphabet.bits)
    unused = 8 * row_bytes - count * alphabet.bits
    need(
        not (packed[:, -1] >> (8 - unused)).any(),
        f"{reader.where}: the padding bits of the weight codes must be 0",
    )
    try:
        return alphabet, alphabet.decode(codes).reshape(shape)
    except NetworkError as error:
        raise NetworkError(f"{reader.where}: {error}") from None


def _rescale(reader: _Reader, i: int, arrays: Arrays, channels: int) -> Rescale:
    fields = [
        _array(arrays, reader.where, f"{i}.{field}", np.int32 if field == "b" else np.int8, (channels,))
        for field in RANGES
    ]
    return Rescale(*(value.astype(np.int64) for value in fields))

"""A trained shift network in, an integer network out."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor as TorchTensor
from torch import fx, nn

from hw.graph import (
    Alphabet,
    AveragePool,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Network,
    Node,
    Padding,
    Rescale,
    Tensor,
)
from s3train.concatenation import is_concatenation
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers import Operation, ShiftAveragePool2d, ShiftBlock, ShiftLogits
from s3train.layers.shift_block import integer_weight
from s3train.pools import pool_size
from s3train.reparam import method_of


def export(model: fx.GraphModule, image: TensorFormat, shape: tuple[int, ...], *, name: str = "network") -> Network:
    """Return the integer network of a trained model.

    Parameters
    ----------
    model : GraphModule
        From :func:`s3train.convert`, trained; it is put into evaluation mode.
    image : TensorFormat
        Format of the input.
    shape : (channels, height, width) or (channels, length)
        Shape of an image.
    name : str
        Name of the network.

    Raises
    ------
    UnsupportedModelError
        Names the layer that cannot be exported, and what is supported.
    """
    model.eval()
    return _Exporter(model, image, shape, name).run()


class _Exporter:
    def __init__(self, model: fx.GraphModule, image: TensorFormat, shape: tuple[int, ...], name: str) -> None:
        self.model = model
        self.name = name
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        # What stands for every node of the graph: the stored tensor, and whether it was flattened.
        self.stored: dict[fx.Node, Tensor] = {}
        self.image = self._tensor("image", _shape3(shape), image)

    def run(self) -> Network:
        for node in self.model.graph.nodes:
            if node.op == "placeholder":
                self.stored[node] = self.image
            elif node.op != "output":
                self._node(node)
        network = Network(self.name, "image", self.tensors, tuple(self.nodes))
        network.validate()
        return network

    def _tensor(self, name: str, shape: tuple[int, int, int], fmt: TensorFormat) -> Tensor:
        tensor = Tensor(name, *shape, fmt.bits, fmt.zero_point, fmt.exponent)
        self.tensors[name] = tensor
        return tensor

    def _node(self, node: fx.Node) -> None:
        if is_concatenation(node):
            self.stored[node] = self._concatenation(node)
            return
        module = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        given = (*node.args, *node.kwargs.values())
        inputs = [self.stored[a] for a in given if isinstance(a, fx.Node)]
        source = inputs[0]
        match module:
            case ShiftBlock():
                residual = inputs[1].name if len(inputs) > 1 else None
                self.stored[node] = self._block(node.name, module, source, residual)
            case ShiftLogits():
                alphabet = _alphabet(node.name, module.layer)
                weight = _array(integer_weight(node.name, module.layer)).reshape(-1, *source.shape)
                bias = _array(module.bias_integer())
                self.nodes.append(
                    Logits(node.name, source.name, weight.astype(np.int32), alphabet, bias, source.exponent)
                )
            case ShiftAveragePool2d():
                self.stored[node] = self._average(node.name, module, source)
            case Operation():
                self.stored[node] = self._operation(node.name, module, inputs)
            case nn.MaxPool1d() | nn.MaxPool2d():
                self.stored[node] = self._max(node.name, module, source)
            case _:
                # Flatten, Identity and Dropout: the same stored numbers in the same order.
                self.stored[node] = source

    def _concatenation(self, node: fx.Node) -> Tensor:
        """Join the channels of tensors that share a quantiser; converting has seen to that."""
        given: Any = node.args[0]
        parts = [self.stored[part] for part in given]
        first = parts[0]
        channels = sum(part.channels for part in parts)
        fmt = TensorFormat(first.bits, first.zero_point, first.exponent)
        output = self._tensor(f"{node.name}.out", (channels, first.height, first.width), fmt)
        self.nodes.append(Concatenation(node.name, tuple(part.name for part in parts), output.name))
        return output

    def _block(self, name: str, block: ShiftBlock, source: Tensor, residual: str | None) -> Tensor:
        layer = block.layer
        alphabet = _alphabet(name, layer)
        integers = block.integer(name)
        weight = _array(integers.weight)
        if isinstance(layer, nn.Linear):
            weight = weight.reshape(-1, *source.shape)
            stride, padding, groups = (1, 1), Padding(), 1
        elif isinstance(layer, nn.Conv1d):
            stride, pad, groups = (1, layer.stride[0]), int(layer.padding[0]), layer.groups
            padding = Padding(0, 0, pad, pad)
        else:
            assert isinstance(layer, nn.Conv2d)
            top, left = (int(p) for p in layer.padding)
            stride, groups = (layer.stride[0], layer.stride[1]), layer.groups
            padding = Padding(top, top, left, left)
        kh, kw = weight.shape[2:]
        circular = not isinstance(layer, nn.Linear) and layer.padding_mode == "circular"
        height = (source.height + padding.top + padding.bottom - kh) // stride[0] + 1
        width = (source.width + padding.left + padding.right - kw) // stride[1] + 1
        output = self._tensor(f"{name}.out", (len(weight), height, width), block.quantizer.format)
        rescale = Rescale(
            *(_array(v) for v in (integers.t, integers.j, integers.s, integers.p, integers.k, integers.b))
        )
        self.nodes.append(
            Convolution(
                name,
                source.name,
                output.name,
                weight.astype(np.int32),
                alphabet,
                stride,
                padding,
                groups,
                circular,
                rescale,
                residual,
            )
        )
        return output

    def _average(self, name: str, pool: ShiftAveragePool2d, source: Tensor) -> Tensor:
        window = pool.window(source.height, source.width)
        size = ((source.height - window[0]) // window[0] + 1, (source.width - window[1]) // window[1] + 1)
        output = self._tensor(f"{name}.out", (source.channels, *size), pool.format)
        s, p = pool.shifts(window, pool.source(), pool.format)
        zero = np.zeros(source.channels, np.int64)
        rescale = Rescale(zero, zero, zero + s, zero + p, zero, zero + ((1 << s) >> 1))
        self.nodes.append(AveragePool(name, source.name, output.name, window, window, Padding(), rescale))
        return output

    def _operation(self, name: str, operation: Operation, sources: list[Tensor]) -> Tensor:
        formats = [TensorFormat(source.bits, source.zero_point, source.exponent) for source in sources]
        shape = operation.shape([source.shape for source in sources])
        output = self._tensor(f"{name}.out", shape, operation.format(formats))
        self.nodes.append(operation.node(name, sources, output.name))
        return output

    def _max(self, name: str, pool: nn.Module, source: Tensor) -> Tensor:
        kernel, stride, (top, left) = (pool_size(pool, field) for field in ("kernel_size", "stride", "padding"))
        height = (source.height + 2 * top - kernel[0]) // stride[0] + 1
        width = (source.width + 2 * left - kernel[1]) // stride[1] + 1
        fmt = TensorFormat(source.bits, source.zero_point, source.exponent)
        output = self._tensor(f"{name}.out", (source.channels, height, width), fmt)
        self.nodes.append(MaxPool(name, source.name, output.name, kernel, stride, Padding(top, top, left, left)))
        return output


def _alphabet(name: str, layer: nn.Module) -> Alphabet:
    method = method_of(layer)
    if method is None:
        raise UnsupportedModelError(f"layer {name!r} has float weights; convert it without skip to export it")
    if method.alphabet is None:
        raise UnsupportedModelError(
            f"layer {name!r}: the values of {method.NAME} with {method.bits} bits are no alphabet of shifts; "
            f"supported are s3, denseshift, deepshift_q, deepshift_ps, and apot with 2 or 3 bits"
        )
    return Alphabet.parse(method.alphabet)


def _array(value: TorchTensor) -> Any:
    return value.detach().cpu().numpy().astype(np.int64)


def _shape3(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) == 1:
        return shape[0], 1, 1
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (shape[0], shape[1], shape[2])

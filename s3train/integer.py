"""The reference: a trained shift network run on integer tensors, no float anywhere."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from s3train.concatenation import is_concatenation
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers import Operation, ShiftAveragePool2d, ShiftBlock, ShiftLogits
from s3train.layers.shift_block import IntegerLayer, integer_weight
from s3train.pools import MAX_POOLS, pool_size


class IntegerModel:
    """A trained model's integers and the order in which they are used.

    Parameters
    ----------
    model : GraphModule
        From :func:`s3train.convert`, trained.
    image : TensorFormat
        Format of the input.

    Notes
    -----
    torch has no integer convolution, so windows are unfolded and multiplied as int64 matrices; on a GPU it has not even
    these, so a model there is copied to the CPU.
    """

    def __init__(self, model: fx.GraphModule, image: TensorFormat) -> None:
        model = model.eval()
        away = any(value.device.type != "cpu" for value in model.state_dict().values())
        self.model = model = copy.deepcopy(model).cpu() if away else model
        self.image = image
        self.layers: dict[str, Any] = {}
        for name, module in model.named_children():
            if isinstance(module, ShiftBlock):
                source = module.source()
                residual = module.residual() if module.residual is not None else None
                self.layers[name] = (module.integer(name), source, residual, module.quantizer.format)
            elif isinstance(module, ShiftLogits):
                self.layers[name] = (integer_weight(name, module.layer), module.bias_integer(), module.source())
            elif isinstance(module, ShiftAveragePool2d):
                self.layers[name] = (module.source(), module.format)

    @property
    def logit_exponent(self) -> int:
        """Exponent of the logits."""
        last = [layer for layer in self.model.children() if isinstance(layer, ShiftLogits)][-1]
        return last.source().exponent

    def run(self, images: Tensor) -> dict[str, Tensor]:
        """Return every stored tensor and the logits of integer images.

        Parameters
        ----------
        images : uint8 or int64 (images, channels, height, width), or (images, channels, length)
            Stored numbers ``u``.

        Returns
        -------
        dict
            Under the name of each graph node its stored numbers, int64; the logits under the last one's.
        """
        values: dict[fx.Node, Tensor] = {}
        formats: dict[fx.Node, TensorFormat] = {}
        named: dict[str, Tensor] = {}
        for node in self.model.graph.nodes:
            if node.op == "placeholder":
                values[node], formats[node] = images.long(), self.image
            elif node.op == "output":
                break
            else:
                given = node.args[0] if is_concatenation(node) else (*node.args, *node.kwargs.values())
                inputs = [a for a in given if isinstance(a, fx.Node)]
                before = [formats[a] for a in inputs]
                values[node] = self._step(node, [values[a] for a in inputs], before)
                formats[node] = self._format(node, before)
                named[node.name] = values[node]
        return named

    def _format(self, node: fx.Node, before: list[TensorFormat]) -> TensorFormat:
        """Return the format of a node's stored numbers; ``before`` are its inputs'."""
        module = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Operation):
            return module.format(before)
        if not isinstance(module, ShiftBlock | ShiftAveragePool2d):
            return before[0]
        # The last of a layer's integers is the format of what it stores.
        stored: TensorFormat = self.layers[str(node.target)][-1]
        return stored

    def _step(self, node: fx.Node, inputs: list[Tensor], formats: list[TensorFormat]) -> Tensor:
        module = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        x = inputs[0]
        if isinstance(module, ShiftBlock):
            layer, source, residual, output = self.layers[str(node.target)]
            r = inputs[1] - residual.zero_point if residual is not None else None
            return _block(module.layer, layer, x - source.zero_point, r, output)
        if isinstance(module, ShiftLogits):
            weight, bias, source = self.layers[str(node.target)]
            logits: Tensor = (x - source.zero_point) @ weight.flatten(1).T + bias
            return logits
        if isinstance(module, ShiftAveragePool2d):
            pooled = _average(module, x if x.ndim == 4 else x[:, :, None], *self.layers[str(node.target)])
            return pooled if x.ndim == 4 else pooled.squeeze(2)
        if isinstance(module, MAX_POOLS):
            return _max_pool(module, x) if x.ndim == 4 else _max_pool(module, x[:, :, None]).squeeze(2)
        if isinstance(module, Operation):
            return module.integers(inputs, formats)
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d):
            return x
        if is_concatenation(node):
            return torch.cat(inputs, dim=1)
        return x.flatten(1)


def run_integer(model: fx.GraphModule, image: TensorFormat, images: Tensor) -> dict[str, Tensor]:
    """Run a trained model on integers, see :class:`IntegerModel`."""
    return IntegerModel(model, image).run(images)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _windows(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], *, circular: bool = False
) -> Tensor:
    """Return (images, channels, out_height, out_width, kh, kw); 0 outside the map, or its other end."""
    mode = "circular" if circular else "constant"
    padded = functional.pad(x, (padding[1], padding[1], padding[0], padding[0]), mode=mode)
    return padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])


def _block(layer: nn.Module, integers: IntegerLayer, x: Tensor, r: Tensor | None, output: TensorFormat) -> Tensor:
    weight = integers.weight
    if isinstance(layer, nn.Linear):
        acc = x @ weight.flatten(1).T
    elif isinstance(layer, nn.Conv1d):
        acc = _convolution(
            x[:, :, None], weight, (1, layer.stride[0]), (0, int(layer.padding[0])), layer.groups,
            circular=layer.padding_mode == "circular",
        ).squeeze(2)  # fmt: skip
    elif isinstance(layer, nn.Conv2d):
        circular = layer.padding_mode == "circular"
        acc = _convolution(x, weight, _pair(layer.stride), _pair(layer.padding), layer.groups, circular=circular)
    else:
        raise UnsupportedModelError(f"{type(layer).__name__} has no integer form")
    shape = (1, -1) + (1,) * (acc.ndim - 2)
    t, j, s, p, k, b = (v.view(shape) for v in (integers.t, integers.j, integers.s, integers.p, integers.k, integers.b))
    total = (((acc << j) + t * acc) << p) + b
    if r is not None:
        total = total + (r << k)
    return ((total >> s) + output.zero_point).clamp(0, output.maximum)


def _convolution(
    x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], groups: int, *, circular: bool
) -> Tensor:
    view = _windows(x, (weight.shape[2], weight.shape[3]), stride, padding, circular=circular)
    images, _, height, width = view.shape[:4]
    columns = view.permute(0, 2, 3, 1, 4, 5).reshape(images * height * width, groups, -1)
    filters = weight.reshape(groups, len(weight) // groups, -1)
    sums = torch.stack([columns[:, g] @ filters[g].T for g in range(groups)], dim=1)
    return sums.reshape(images, height, width, -1).permute(0, 3, 1, 2)


def _average(module: ShiftAveragePool2d, x: Tensor, source: TensorFormat, output: TensorFormat) -> Tensor:
    window = module.window(x.shape[-2], x.shape[-1])
    s, p = module.shifts(window, source, output)
    acc = (_windows(x, window, window, (0, 0)) - source.zero_point).sum(dim=(4, 5))
    total = (acc << p) + ((1 << s) >> 1)
    return ((total >> s) + output.zero_point).clamp(0, output.maximum)


def _max_pool(module: nn.Module, x: Tensor) -> Tensor:
    kernel, stride, padding = (pool_size(module, field) for field in ("kernel_size", "stride", "padding"))
    return _windows(x, kernel, stride, padding).amax(dim=(4, 5))


def predictions(logits: Mapping[str, Tensor] | Tensor) -> Tensor:
    """Return the class of every image; the lowest index wins ties."""
    values = logits if isinstance(logits, Tensor) else list(logits.values())[-1]
    best = values.amax(dim=1, keepdim=True)
    index = torch.arange(values.shape[1], device=values.device).expand_as(values)
    return torch.where(values == best, index, values.shape[1]).amin(dim=1)

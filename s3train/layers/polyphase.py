"""Adaptive polyphase sampling (Chaman and Dokmanić, CVPR 2021): halving a map without losing shift invariance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hw import graph
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers.operation import Operation
from s3train.layers.shift_primitives import AddressShift


class Polyphase(Operation):
    """Every second row and column, from the one of four phases whose norm is largest, image by image.

    Circular shifts of the map shift the output, or not at all; so where every layer wraps around, logits behind a
    global average do not change with circular shifts of the image, trained or not. Of equal norms the first phase wins,
    in the order (0, 0), (1, 0), (0, 1), (1, 1) of (row, column).

    Parameters
    ----------
    norm : int
        1 for ℓ1, which hardware has; 2 for ℓ2, for training only.

    Raises
    ------
    ValueError
        If the norm is another one, or at the first call if a side of the map is odd or a guide has another size.
    """

    def __init__(self, norm: int = 1) -> None:
        super().__init__()
        if norm not in (1, 2):
            raise ValueError(f"adaptive polyphase sampling has the norms 1 and 2, got {norm}")
        self.norm = norm

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Return (images, channels, height / 2, width / 2).

        Parameters
        ----------
        x : float tensor (images, channels, height, width)
            The map.
        guide : float tensor (images, any channels, height, width) or None
            Whose phase to take instead of the map's own: the main branch's, for a shortcut.
        """
        measured = x if guide is None else guide
        if measured.shape[2:] != x.shape[2:]:
            raise ValueError(f"the guide is {tuple(measured.shape[2:])}, the sampled map {tuple(x.shape[2:])}")
        return _sample(x, _norms(measured.detach(), self.norm))

    def check(self, name: str, formats: Sequence[TensorFormat]) -> None:
        """Raise ``UnsupportedModelError`` for the ℓ2 norm, or a guide without a ReLU before it."""
        if self.norm != 1:
            raise UnsupportedModelError(f"{name}: measures the norm l{self.norm}, supported is l1")
        if formats[-1].zero_point:
            raise UnsupportedModelError(f"{name}: measures a map of signed numbers, supported is one behind a ReLU")

    def shape(self, shapes: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
        """Return the output's (channels, height, width)."""
        channels, height, width = shapes[0]
        return channels, height // 2, width // 2

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the sampled stored numbers."""
        return _sample(inputs[0], _norms(inputs[-1], 1))

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        return graph.Polyphase(name, sources[0].name, output, sources[-1].name)

    def extra_repr(self) -> str:
        """Return the parameters for ``print``."""
        return f"norm={self.norm}"


class CircularMaxPool(Operation):
    """Max pool of stride 1 whose windows reach to the map's other end: behind it, :class:`Polyphase` halves the map.

    Parameters
    ----------
    kernel : int
        Height and width of the window, which begins at the output's pixel.
    """

    def __init__(self, kernel: int = 2) -> None:
        super().__init__()
        if kernel < 2:
            raise ValueError(f"a max pool's window must be 2 or more, got {kernel}")
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map, of ``x``'s shape."""
        if x.ndim != 4:
            raise ValueError(
                f"a circular max pool needs maps (images, channels, height, width), got {x.ndim} dimensions"
            )
        reach = self.kernel - 1
        return functional.max_pool2d(functional.pad(x, (0, reach, 0, reach), mode="circular"), self.kernel, 1)

    def integers(self, inputs: Sequence[Tensor], formats: Sequence[TensorFormat]) -> Tensor:
        """Return the pooled stored numbers."""
        pooled: Tensor = self(inputs[0].double())
        return pooled.long()

    def node(self, name: str, sources: Sequence[graph.Tensor], output: str) -> graph.Node:
        """Return the operation of the integer network."""
        reach, kernel = self.kernel - 1, (self.kernel, self.kernel)
        return graph.MaxPool(
            name, sources[0].name, output, kernel, (1, 1), graph.Padding(0, reach, 0, reach), circular=True
        )


def check_circular(model: nn.Module) -> None:
    """Raise ``ValueError`` if a model has a :class:`Polyphase` and a layer that does not wrap around.

    It would not be invariant to shifts, which is what the sampling is for. Only layers are looked at; converting looks
    at functions too, and at what is flattened.
    """
    layers = dict(model.named_modules())
    if not any(isinstance(layer, Polyphase) for layer in layers.values()):
        return
    for name, layer in layers.items():
        if reason := shift_problem(layer):
            raise ValueError(shift_refusal(name, reason))


def shift_problem(layer: nn.Module) -> str:
    """Return why a layer's output is no shifted one when its input is, or nothing."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        if any(stride != 1 for stride in layer.stride):
            return f"has a stride of {max(layer.stride)}"
        missing = [0 if size == 1 else size - 1 for size in layer.kernel_size]
        if layer.padding == "same" or (layer.padding != "valid" and any(p != 0 for p in layer.padding)):
            if layer.padding_mode != "circular" and any(missing):
                return "pads with zeros"
            given = missing if layer.padding == "same" else [2 * int(p) for p in layer.padding]
        else:
            given = [0] * len(missing)
        return "" if given == missing else f"reaches {max(missing)} pixels around the map and pads {max(given)}"
    if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d):
        padded = layer.padding not in (0, (0,), (0, 0))
        return "pads with zeros" if padded else "pools windows that do not wrap around"
    still = not isinstance(layer, AddressShift) or layer.circular or not any(map(any, layer.offsets))
    return "" if still else "pads with zeros"


def shift_refusal(name: str, reason: str) -> str:
    """Return the sentence for a layer that breaks the invariance to shifts."""
    return (
        f"layer {name!r} {reason}, so the network would not be invariant to shifts, which adaptive polyphase sampling "
        f"is for; let every layer wrap around (padding_mode='circular', circular=True, CircularMaxPool) with stride 1, "
        f"up to AdaptiveAvgPool2d(1)"
    )


def check_sides(shape: tuple[int, int, int], times: int) -> None:
    """Raise ``ValueError`` if images (channels, height, width) cannot be halved so many times."""
    if shape[1] % (1 << times) or shape[2] % (1 << times):
        raise ValueError(
            f"adaptive polyphase sampling {times} times needs sides divisible by {1 << times}, "
            f"got {shape[1]} x {shape[2]}"
        )


def _norms(x: Tensor, norm: int) -> Tensor:
    """Return the sums of the four phases (images, 4), of squares for ℓ2.

    Stored numbers on their grid are summed up exactly: channels in float32, which holds 2^16 of them, positions in
    float64.
    """
    if x.ndim != 4 or x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"adaptive polyphase sampling needs even sides, got {' x '.join(map(str, x.shape[2:]))}")
    sizes = x.abs() if norm == 1 else x.square()
    pixels = sizes.sum(1, dtype=torch.float32 if x.dtype.itemsize < 4 else x.dtype).double()
    return torch.stack([pixels[:, i::2, j::2].sum(dim=(1, 2)) for i, j in graph.PHASES], dim=1)


class _Sample(torch.autograd.Function):
    """One phase of every image; the gradient goes back to where its numbers came from."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chosen: Tensor) -> Tensor:
        ctx.save_for_backward(chosen)
        ctx.shape, ctx.last = x.shape, x.is_contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x[:, :, ::2, ::2])
        for phase, (i, j) in enumerate(graph.PHASES):
            where = torch.nonzero(chosen == phase)[:, 0]
            y[where] = x[where][:, :, i::2, j::2]
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (chosen,) = ctx.saved_tensors
        x = grad.new_zeros(ctx.shape)
        if ctx.last:
            x = x.contiguous(memory_format=torch.channels_last)
        for phase, (i, j) in enumerate(graph.PHASES):
            where = torch.nonzero(chosen == phase)[:, 0]
            x[where, :, i::2, j::2] = grad[where]
        return x, None


def _sample(x: Tensor, norms: Tensor) -> Tensor:
    """Return the phase with the largest norm; torch's argmax does not promise the first one."""
    # What is not a number is passed on, so that a training notices.
    norms = norms.where(~norms.isnan(), torch.inf)
    best = norms.amax(dim=1, keepdim=True)
    index = torch.arange(4, device=x.device).expand_as(norms)
    chosen = torch.where(norms == best, index, 4).amin(dim=1)
    sampled: Tensor = _Sample.apply(x, chosen)  # type: ignore[no-untyped-call]
    return sampled

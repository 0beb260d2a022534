"""A device that is not the processor, for machines without one: it computes there, and refuses what a GPU refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")
"""The name that its tensors give; torch makes real tensors under this name nowhere in the tests."""


class Elsewhere(Tensor):
    """A tensor of the other device; ``held`` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE, requires_grad=held.requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with OtherDevice():
            return func(*args, **(kwargs or {}))

    def __repr__(self) -> str:
        return f"Elsewhere({self.held!r})"


class OtherDevice(TorchDispatchMode):
    """Runs operations of :class:`Elsewhere`, and refuses those that meet tensors of the processor too.

    Numbers (tensors without dimensions) of the processor may meet any tensor, as on a GPU.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        found: list[Tensor] = []
        tree_map(lambda x: found.append(x) if isinstance(x, Tensor) else None, (args, kwargs))
        there = any(isinstance(x, Elsewhere) for x in found)
        wanted = kwargs.get("device")
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        mixed = [x for x in found if not isinstance(x, Elsewhere) and x.ndim]
        if there and mixed and not copies:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, found {mixed[0].shape} on cpu")
        if wanted is not None and torch.device(wanted).type == DEVICE.type:
            there, kwargs["device"] = True, torch.device("cpu")
        elif wanted is not None:
            there = False
        if func is torch.ops.aten.copy_.default:
            there = isinstance(args[0], Elsewhere)
        given = {id(x.held): x for x in found if isinstance(x, Elsewhere)}
        plain = tree_map(lambda x: x.held if isinstance(x, Elsewhere) else x, (args, kwargs))
        result = func(*plain[0], **plain[1])
        if not there:
            return result

        def wrap(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            return given[id(x)] if id(x) in given else Elsewhere(x)

        return tree_map(wrap, result)


class Making(TorchFunctionMode):
    """Makes tensors of numbers on the other device, which torch would fill on the processor and copy."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == DEVICE.type:
            return Elsewhere(torch.tensor(*args, **{**kwargs, "device": None}))
        if func is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return Elsewhere(args[0].held.new_tensor(*args[1:], **kwargs))
        return func(*args, **kwargs)


@contextmanager
def other_device() -> Iterator[None]:
    """Work with both devices in the ``with`` block."""
    with Making(), OtherDevice():
        yield


def move(model: nn.Module) -> nn.Module:
    """Move a model's parameters and buffers to the other device, in place."""
    moved: dict[int, Tensor] = {}
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None:
                value = moved.setdefault(id(p), nn.Parameter(Elsewhere(p.detach().clone()), p.requires_grad))
                module._parameters[name] = value
        for name, b in module._buffers.items():
            if b is not None:
                module._buffers[name] = moved.setdefault(id(b), Elsewhere(b.clone()))
    return model

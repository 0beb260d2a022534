"""Where in a network a number that is not finite comes from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn


def stored_not_finite(model: nn.Module, *, buffers: bool = True) -> str | None:
    """Return the first parameter or buffer that is not finite, as ``parameter 'bias' of layer 'name'``."""
    kinds = {"parameter": model.named_parameters(), **({"buffer": model.named_buffers()} if buffers else {})}
    for kind, values in kinds.items():
        for name, value in values:
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                path, _, field = name.rpartition(".")
                if ".parametrizations." in f".{path}":
                    field = "weight"
                return f"{kind} {field!r} of layer {_layer(path)!r}"
    return None


@torch.no_grad()
def output_not_finite(model: nn.Module, images: Tensor) -> str | None:
    """Return the first layer whose output for the images is not finite, as ``output of layer 'name'``."""
    found: list[str] = []

    def look(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and not bool(torch.isfinite(output).all()):
            found.append(name)

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hook = module.register_forward_hook(lambda _, __, output, name=name: look(name, output))
            hooks.callback(hook.remove)
        model(images)
    return f"output of layer {_layer(found[0])!r}" if found else None


def _layer(path: str) -> str:
    """Return the layer that a path into its parametrizations belongs to."""
    return path.partition(".parametrizations")[0]

"""Weights and multiply-accumulates of a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Count:
    """Numbers of a network.

    Attributes
    ----------
    parameters : int
        All trained numbers.
    weights : int
        Those of convolutions and linear layers, without biases.
    macs : int
        Multiply-accumulates of convolutions and linear layers for one image.
    """

    parameters: int
    weights: int
    macs: int


@torch.no_grad()
def count(model: nn.Module, shape: tuple[int, ...]) -> Count:
    """Return the numbers of a float model for images of a shape."""
    macs = weights = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs, weights
        weight = module.weight
        assert isinstance(weight, Tensor)
        weights += weight.numel()
        macs += weight.numel() * output[0].numel() // len(weight)

    layers = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    training = model.training
    model.eval()(torch.zeros(1, *shape))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return Count(sum(p.numel() for p in model.parameters()), weights, macs)

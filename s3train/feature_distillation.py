"""Feature distillation: a network's feature maps are drawn to those of its float twin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from s3train.register_method import WEIGHTED

Features = dict[str, Tensor]
"""Inputs of layers by the layer's name in the float model, dots as underscores; in the order of the calls."""


@contextmanager
def watch_features(model: nn.Module) -> Iterator[Features]:
    """Collect the features of a forward pass in the ``with`` block.

    A feature map is what a layer with weights reads, but for the first one, which reads the image. It is there in the
    float network, in the one with shift weights and in the integer one (there it is quantised), under the layer's name,
    and it is what batch norm, residual addition and ReLU have made of the layer before.

    Parameters
    ----------
    model : Module
        A float model, or a converted one.
    """
    found: Features = {}

    def keep(name: str, x: Tensor) -> None:
        found[name] = x

    with ExitStack() as hooks:
        for name, layer in model.named_modules():
            if isinstance(layer, WEIGHTED):
                # convert() makes a block of a layer and what follows it, and puts underscores for dots.
                name = name.removesuffix(".layer").removesuffix("_block").removesuffix("_logits").replace(".", "_")
                hook = layer.register_forward_pre_hook(lambda _, inputs, name=name: keep(name, inputs[0]))
                hooks.callback(hook.remove)
        yield found
    if found:
        del found[next(iter(found))]


def feature_distance(found: Features, wanted: Features) -> Tensor:
    """Return how much of the wanted features is missed: ``‖x - y‖² / ‖y‖²`` of a map, the mean over all maps.

    0 for equal maps, 1 for a network that gives zeros; every map counts the same, whatever its size. No adapter stands
    between the two (FitNets, Romero et al., 2015, need one): the networks have the same channels. The channels should
    also be equally large, for the next layer's integer weights have no scale for an input channel.

    Parameters
    ----------
    found, wanted : dict of float tensors (images, channels, ...)
        The features of the network and of its twin for the same images. A wanted map that two layers read counts once.

    Raises
    ------
    ValueError
        If a wanted map was not found or has another shape.
    """
    shares = []
    seen: set[int] = set()
    for name, y in wanted.items():
        if id(y) in seen:
            continue
        seen.add(id(y))
        if name not in found or found[name].shape != y.shape:
            have = f"has shape {tuple(found[name].shape)}" if name in found else "is missing"
            raise ValueError(f"the features before layer {name}, in the twin {tuple(y.shape)}, {have} in the network")
        missed, whole = (torch.linalg.vector_norm(t, dtype=torch.float32) for t in (found[name] - y, y))
        shares.append((missed / whole.clamp_min(1e-6)).square())
    return torch.stack(shares).mean()

"""How much larger the logits of a network of integer weights are than a float network's."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from s3train.reparam import weight_methods

LEAST = 20.0
"""The least scale where no float twin says it; 2- and 3-bit weights start with it."""


def logits_scale(network: nn.Module, twin: nn.Module | None, batch: Callable[[], Tensor]) -> float:
    """Return by how much the loss divides the logits at the start of a training; 1 for a float network.

    With the weights of a float twin it is the ratio of both networks' last weights, along the twin's. Without, or
    where the last layer is another one than the twin's, it is what brings the logits of a batch to a standard
    deviation of 2/3, and at least :data:`LEAST`. Weights of many bits make logits in the thousands, and a loss that
    starts there is no guide: an MLP on digits had 14.5% after 10 epochs with 5-bit tied latents divided by 20, and
    95.8% divided by this.

    Parameters
    ----------
    network : Module
        The converted network; it is left as it is.
    twin : Module or None
        The float network that the weights come from.
    batch : callable
        Gives float32 training images (images, channels, height, width); called only where they are needed.
    """
    if not any(True for _ in weight_methods(network)):
        return 1.0
    return _along_twin(network, twin) or max(LEAST, 1.5 * _spread(network, batch()))


def _along_twin(network: nn.Module, twin: nn.Module | None) -> float | None:
    """Return the ratio of the last weights, ``None`` for a network that was not made of the twin's."""
    if twin is None:
        return None
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1].weight.detach()
    wanted = [m for m in twin.modules() if isinstance(m, nn.Linear)][-1].weight.detach()
    if last.shape != wanted.shape:
        return None
    along = (last * wanted).sum()
    return float(last.square().sum() / along) if along > 0.5 * last.norm() * wanted.norm() else None


def _spread(network: nn.Module, images: Tensor) -> float:
    """Return the standard deviation of the logits of a training's first step."""
    # The normalisations of a training learn from what they see, so a copy looks at the images.
    trial = copy.deepcopy(network).train()
    with torch.no_grad():
        logits: Tensor = trial(images.to(next(network.parameters()).device))
    return float(logits.float().std())

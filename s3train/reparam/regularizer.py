"""The dense-weight regulariser of S3."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from s3train.reparam.s3 import S3


def s3_latents(model: nn.Module) -> list[nn.Parameter]:
    """Return the latent tensors of all S3 layers of a model."""
    return [
        layer.parametrizations.weight.original  # type: ignore[union-attr, misc]
        for layer in model.modules()
        if parametrize.is_parametrized(layer, "weight") and isinstance(layer.parametrizations.weight[0], S3)  # type: ignore[union-attr, index]
    ]


def dense_weight_regularizer(model: nn.Module) -> Tensor:
    """Return ``R = Σ max(-w_sparse, 0)`` over all S3 layers: it opens gates, so that few weights stay 0."""
    latents = s3_latents(model)
    if not latents:
        return torch.zeros(())
    return torch.stack([torch.relu(-latent[1]).sum() for latent in latents]).sum()

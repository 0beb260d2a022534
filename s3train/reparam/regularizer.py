"""What is added to the loss for the sake of the latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.reparam.deepshift_ps import DeepShiftPS
from s3train.reparam.s3 import S3
from s3train.reparam.weight_method import weight_methods


def dense_weight_regularizer(model: nn.Module) -> Tensor:
    """Return ``R = Σ max(-w_sparse, 0)`` over all S3 layers: it opens gates, so that few weights stay 0."""
    sums = [torch.relu(-latents[1]).sum() for _, _, method, latents in weight_methods(model) if isinstance(method, S3)]
    return torch.stack(sums).sum() if sums else torch.zeros(())


def power_decay(model: nn.Module) -> Tensor:
    """Return ``½·Σ (2^shift)² + ½·Σ sign²`` over all DeepShift-PS layers: the decay of the weight, not of the shift.

    An optimiser's weight decay would draw shifts to 0, the largest weight.
    """
    sums = [
        torch.exp2(2 * latents[0]).sum() + latents[1].square().sum()
        for _, _, method, latents in weight_methods(model)
        if isinstance(method, DeepShiftPS)
    ]
    return torch.stack(sums).sum() / 2 if sums else torch.zeros(())

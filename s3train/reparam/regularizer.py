"""The dense-weight regulariser of S3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.reparam.s3 import S3
from s3train.reparam.weight_method import weight_methods


def dense_weight_regularizer(model: nn.Module) -> Tensor:
    """Return ``R = Σ max(-w_sparse, 0)`` over all S3 layers: it opens gates, so that few weights stay 0."""
    sums = [torch.relu(-latents[1]).sum() for _, _, method, latents in weight_methods(model) if isinstance(method, S3)]
    return torch.stack(sums).sum() if sums else torch.zeros(())

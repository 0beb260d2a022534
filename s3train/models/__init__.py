"""Networks that suit a small chip, written in plain torch."""

from __future__ import annotations

from torch import nn

from s3train.models.mlp import MLP
from s3train.models.small_resnet import SmallResNet

__all__ = ["MLP", "MODELS", "SmallResNet", "build_model"]

MODELS = ("mlp", "small_resnet")


def build_model(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a float model by name for images of a shape; ``ValueError`` for an unknown name."""
    if name == "mlp":
        return MLP(shape, classes)
    if name == "small_resnet":
        return SmallResNet(shape, classes)
    raise ValueError(f"model {name!r} is unknown, supported are {', '.join(MODELS)}")

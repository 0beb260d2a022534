"""The straight-through estimator."""

from __future__ import annotations

from torch import Tensor


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """Return ``rounded`` with the gradient of ``value``."""
    return value + (rounded - value).detach()

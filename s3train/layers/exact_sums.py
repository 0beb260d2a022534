"""Sums of products of integers, exact in floating point."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from s3train.formats import TensorFormat

FLOAT32_LIMIT = 1 << 24
"""Below it float32 has all integers, so sums are the same in every order."""


def exact_sums(layer: nn.Module, x: Tensor, source: TensorFormat, largest_bias: int = 0) -> Tensor:
    """Return ``layer(x)`` without its bias, in float64 where float32 could round a sum.

    A sum lies within ``Σ|w|·max|u - z|`` on the input's grid: with 3-bit weights far below :data:`FLOAT32_LIMIT`, with
    5-bit ones, which reach 2^14, seldom. In float64 the layer is not called, so its hooks do not run.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Linear
        Without bias; with integer weights.
    x : float tensor
        Real values on the source's grid.
    source : TensorFormat
        Of ``x``.
    largest_bias : int
        Largest magnitude that is added to the sum later, on the same grid.
    """
    size = max(source.zero_point, source.maximum - source.zero_point)
    with parametrize.cached():
        weight = layer.weight
        assert isinstance(weight, Tensor)
        weights = weight.detach().abs().flatten(1).sum(dim=1, dtype=torch.float64).amax()
        if float(weights) * size + largest_bias < FLOAT32_LIMIT:
            result: Tensor = layer(x)
            return result
    x, weight = x.double(), weight.double()
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight)
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    result = layer._conv_forward(x, weight, None)
    return result

"""Gives a layer the weights of a method."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from s3train.formats import UnsupportedModelError
from s3train.reparam import make_method


def register_weight_method(layer: nn.Module, method: str, bits: int, **options: Any) -> None:
    """Parametrize the weight of a layer by a weight method.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Linear
        The layer, changed in place.
    method : str
        One of :data:`s3train.reparam.METHODS`.
    bits : int
        Width of a weight code.
    options
        Further parameters of the method, see the method's class.
    """
    try:
        parametrization = make_method(method, bits, **options)
    except ValueError as error:
        raise UnsupportedModelError(str(error)) from error
    parametrize.register_parametrization(layer, "weight", parametrization.to(layer.weight.device))

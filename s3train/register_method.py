"""Gives a layer the weights of a method."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from s3train.formats import UnsupportedModelError
from s3train.reparam import make_method

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""Layers that can have a method's weights."""


def register_weight_method(layer: nn.Module, method: str, bits: int, *, name: str = "", **options: Any) -> None:
    """Parametrize the weight of a layer by a weight method.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Linear
        The layer, changed in place.
    method : str
        One of :data:`s3train.reparam.METHODS`.
    bits : int
        Width of a weight code.
    name : str
        The layer's name in its model, for an error.
    options
        Further parameters of the method, see the method's class.

    Raises
    ------
    UnsupportedModelError
        If the layer is another one, or the method does not have this width.
    """
    if not isinstance(layer, WEIGHTED):
        shown = f"layer {name!r}" if name else "a layer"
        raise UnsupportedModelError(
            f"{shown} is a {type(layer).__name__}, supported are {', '.join(kind.__name__ for kind in WEIGHTED)}"
        )
    try:
        parametrization = make_method(method, bits, **options)
    except ValueError as error:
        raise UnsupportedModelError(str(error)) from error
    parametrize.register_parametrization(layer, "weight", parametrization.to(layer.weight.device))

"""What every weight method is: a parametrization whose values are small integers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class WeightMethod(nn.Module, ABC):
    """Base of the parametrizations for ``weight`` of Linear, Conv1d and Conv2d.

    A method gives *integer* weights; the batch norm behind the layer has the scale. A subclass says in ``BITS`` which
    widths it knows, in ``LATENT`` whether its parameters are latents (trained with the latents' own rate) or stand for
    the weight itself, and in :attr:`alphabet` which alphabet of the hardware its values belong to.

    Parameters
    ----------
    bits : int
        Width of a weight code.

    Raises
    ------
    ValueError
        If the method does not have this width.
    """

    NAME: ClassVar[str]
    BITS: ClassVar[tuple[int, ...]]
    LATENT: ClassVar[bool]

    def __init__(self, bits: int) -> None:
        super().__init__()
        if bits not in self.BITS:
            raise ValueError(f"{self.NAME} has {self.BITS[0]} to {self.BITS[-1]} bits, got {bits}")
        self.bits = bits

    @property
    def alphabet(self) -> str | None:
        """Name of the hardware's alphabet, such as ``s3-3``; ``None`` if no shift engine has these values."""
        return None

    @abstractmethod
    def forward(self, latents: Tensor) -> Tensor:
        """Return the integer weights of the parameters."""

    @abstractmethod
    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return initial parameters for a float weight."""


def weight_methods(model: nn.Module) -> Iterator[tuple[str, nn.Module, WeightMethod, nn.Parameter]]:
    """Yield (name, layer, method, parameters) of every layer whose weight has a method."""
    for name, layer in model.named_modules():
        if not parametrize.is_parametrized(layer, "weight"):
            continue
        parametrization: Any = layer.parametrizations["weight"]
        method = parametrization[0]
        if isinstance(method, WeightMethod):
            yield name, layer, method, parametrization.original


def method_of(layer: nn.Module) -> WeightMethod | None:
    """Return the weight method of a layer, ``None`` if its weight is float."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    method = layer.parametrizations["weight"][0]  # type: ignore[index]
    return method if isinstance(method, WeightMethod) else None


def sign_of(value: Tensor) -> Tensor:
    """Return ``sgn`` with ``sgn(0) = +1``, in the value's type."""
    return torch.where(value >= 0, 1.0, -1.0).to(value.dtype)

"""An ordinary torch model in, a shift network out."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from torch import fx, nn

from s3train.converter import Converter
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.invariance import check_invariance
from s3train.layers import Balance, CircularConv2d, Operation
from s3train.layers.balance import ChannelMean
from s3train.method_options import method_options
from s3train.normal_form import normalise
from s3train.recipe import Recipe
from s3train.register_method import WEIGHTED, register_weight_method


def convert_weights(
    model: nn.Module,
    method: str = "s3",
    bits: int = 3,
    *,
    recipe: str | Recipe = "default",
    skip: Collection[str] = (),
    **options: Any,
) -> nn.Module:
    """Return a copy of ``model`` with a method's weights; activations and batch norm stay as they are.

    Such a network can be trained and compared, not exported. Parameters as of :func:`convert`.
    """
    method, options = method_options(method, recipe, options)
    skip = _layers(model, skip)
    model = copy.deepcopy(model)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, WEIGHTED) and name not in skip:
            register_weight_method(layer, method, bits, **options)
    return model


def convert(
    model: nn.Module,
    method: str = "s3",
    bits: int = 3,
    *,
    image: TensorFormat,
    activation_bits: int = 8,
    terms: int = 2,
    recipe: str | Recipe = "default",
    skip: Collection[str] = (),
    add_norms: bool = False,
    **options: Any,
) -> fx.GraphModule:
    """Return a shift network of the same structure as ``model``.

    Every Conv1d, Conv2d and Linear gets shift weights; batch norm, a residual addition and ReLU behind it become one
    :class:`~s3train.layers.ShiftBlock` with one quantiser; the last Linear gives the logits. A trained model gives its
    batch norms' factors and constants, and with ``from_weights=True`` the start of the weights. A bias before a batch
    norm has no effect in training, and is dropped. What functions and methods of tensors say is taken for the layer
    that does the same (:func:`~s3train.normal_form.normalise`).

    Parameters
    ----------
    model : Module
        Made of supported layers; traced with ``torch.fx``. It is not changed.
    method, bits, options
        Weight method, see :func:`register_weight_method`. ``from_weights`` is an option of every method; ``apot``,
        ``deepshift_q``, ``s3_tied`` and ``uniform`` start from the weights anyway.
    image : TensorFormat
        Format of the input image.
    activation_bits : int
        Bits of the stored activations, 2 to 8.
    terms : int
        Powers of two in batch norm's factor: 2 or 1.
    recipe : str or Recipe
        ``"default"``, ``"random"`` or ``"paper"``, or settings: what the method's start depends on (the latents'
        spread, S3's gates, tied latents, the gradient through the root), where ``options`` do not say it. ``"paper"``
        starts as S3's paper does; its learning rates and regulariser are ``choose_recipe(data, method, "paper")``.
    skip : collection of str
        Names of layers, as ``named_modules`` has them, whose weights stay float. Such a network can be
        trained, not exported.
    add_norms : bool
        Put a batch norm behind every layer that has none: integer weights have no scale of their own. Its constant
        begins with the layer's bias.

    Raises
    ------
    UnsupportedModelError
        Names the module that cannot be converted, the option or name in ``skip`` that is unknown, and what is
        supported.
    """
    method, options = method_options(method, recipe, options)
    skip = _layers(model, skip)
    graph = trace(model)
    normalise(graph)
    check_invariance(graph)
    return Converter(graph, method, bits, image, activation_bits, terms, skip, options, add_norms=add_norms).run()


def _layers(model: nn.Module, skip: Collection[str]) -> tuple[str, ...]:
    """Return the names of layers that keep their weights, all of which the model has."""
    skip = (skip,) if isinstance(skip, str) else tuple(skip)
    names = [name for name, layer in model.named_modules() if isinstance(layer, WEIGHTED)]
    for name in skip:
        if name not in names:
            raise UnsupportedModelError(f"skip: the model has no layer {name!r}, it has {', '.join(names)}")
    return skip


def trace(model: nn.Module) -> fx.GraphModule:
    """Return the graph of a copy of a model, with torch's layers and ours as its operations.

    Raises
    ------
    UnsupportedModelError
        If the model's forward depends on the values of tensors, or is no torch code.
    """
    model = copy.deepcopy(model)
    try:
        return fx.GraphModule(model, _Tracer().trace(model))
    except Exception as error:
        # The forward is anyone's code: what it does with the tracer's stand-in for a tensor may raise anything.
        raise UnsupportedModelError(f"the model's forward cannot be traced: {error}") from error


class _Tracer(fx.Tracer):
    """Looks into everybody's modules, but not into those that are an operation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Operation | Balance | ChannelMean | CircularConv2d) or super().is_leaf_module(
            m, module_qualified_name
        )

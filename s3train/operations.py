"""Layers of torch, and ours, that become an operation of the integer network when a model is converted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from s3train.concatenation import Quantizing
from s3train.formats import UnsupportedModelError
from s3train.layers import ActivationQuantizer, Balance, Operation, ShiftBalance, ShiftBlock, TanhTable
from s3train.layers.tanh_table import input_exponent

Become = Callable[[str, nn.Module, Sequence[Quantizing], int, bool], tuple[Operation, bool]]
"""From the layer's name, the layer, what quantises its inputs, the activations' bits, and whether only a ReLU reads it:
the operation, and whether it is that ReLU too."""


def _tanh(
    name: str, layer: nn.Module, sources: Sequence[Quantizing], bits: int, rectified: bool
) -> tuple[Operation, bool]:
    """Return the table, and put its input on the table's grid."""
    block = sources[0] if len(sources) == 1 else None
    if not isinstance(block, ShiftBlock) or not block.quantizer.signed:
        raise UnsupportedModelError(f"{name}: tanh is supported behind a layer with a batch norm and without ReLU")
    if block.quantizer.several_layers:
        raise UnsupportedModelError(
            f"{name}: reads what is concatenated too; its grid is the table's, supported is one of the two"
        )
    block.quantizer = ActivationQuantizer(bits, signed=True, exponent=input_exponent(bits))
    return TanhTable(bits), False


def _balance(
    name: str, layer: nn.Module, sources: Sequence[Quantizing], bits: int, rectified: bool
) -> tuple[Operation, bool]:
    assert isinstance(layer, Balance)
    return ShiftBalance(layer, bits, signed=not rectified), rectified


OPERATIONS: dict[type[nn.Module], Become] = {nn.Tanh: _tanh, Balance: _balance}
"""By the class of the layer."""

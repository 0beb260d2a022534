"""Layers that train what the integer network computes."""

from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.average_pool import ShiftAveragePool2d
from s3train.layers.factor import TwoTermFactor, round_factor
from s3train.layers.shift_block import ShiftBlock
from s3train.layers.shift_logits import ShiftLogits
from s3train.layers.shift_primitives import AddressShift, ChannelShift, ShortcutShift
from s3train.layers.stored_view import StoredView

__all__ = [
    "ActivationQuantizer",
    "AddressShift",
    "ChannelShift",
    "ShiftAveragePool2d",
    "ShiftBlock",
    "ShiftLogits",
    "ShortcutShift",
    "StoredView",
    "TwoTermFactor",
    "round_factor",
]

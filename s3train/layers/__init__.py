"""Layers that train what the integer network computes."""

from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.average_pool import ShiftAveragePool2d
from s3train.layers.balance import Balance, ShiftAndBalance, ShiftBalance
from s3train.layers.circular_conv import CircularConv2d
from s3train.layers.factor import TwoTermFactor, round_factor
from s3train.layers.operation import Operation
from s3train.layers.polyphase import CircularMaxPool, Polyphase, check_circular
from s3train.layers.shift_block import ShiftBlock
from s3train.layers.shift_logits import ShiftLogits
from s3train.layers.shift_primitives import AddressShift, ChannelShift, ShortcutShift
from s3train.layers.stored_view import StoredView
from s3train.layers.tanh_table import TanhTable

__all__ = [
    "ActivationQuantizer",
    "AddressShift",
    "Balance",
    "ChannelShift",
    "CircularConv2d",
    "CircularMaxPool",
    "Operation",
    "Polyphase",
    "ShiftAndBalance",
    "ShiftAveragePool2d",
    "ShiftBalance",
    "ShiftBlock",
    "ShiftLogits",
    "ShortcutShift",
    "StoredView",
    "TanhTable",
    "TwoTermFactor",
    "check_circular",
    "round_factor",
]

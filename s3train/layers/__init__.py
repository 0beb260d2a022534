"""Layers that train what the integer network computes."""

from s3train.layers.activation_quantizer import ActivationQuantizer
from s3train.layers.average_pool import ShiftAveragePool2d
from s3train.layers.factor import TwoTermFactor, round_factor
from s3train.layers.shift_block import ShiftBlock
from s3train.layers.shift_logits import ShiftLogits

__all__ = [
    "ActivationQuantizer",
    "ShiftAveragePool2d",
    "ShiftBlock",
    "ShiftLogits",
    "TwoTermFactor",
    "round_factor",
]

"""Weight methods, each a torch parametrization."""

from __future__ import annotations

from typing import Any

from s3train.reparam.apot import APoT
from s3train.reparam.deepshift_ps import DeepShiftPS
from s3train.reparam.deepshift_q import DeepShiftQ
from s3train.reparam.dense_shift import DenseShift
from s3train.reparam.regularizer import dense_weight_regularizer, power_decay
from s3train.reparam.s3 import S3
from s3train.reparam.tied_s3 import TiedS3
from s3train.reparam.uniform import Uniform
from s3train.reparam.weight_method import WeightMethod, method_of, weight_methods

__all__ = [
    "METHODS",
    "S3",
    "APoT",
    "DeepShiftPS",
    "DeepShiftQ",
    "DenseShift",
    "TiedS3",
    "Uniform",
    "WeightMethod",
    "dense_weight_regularizer",
    "make_method",
    "method_of",
    "power_decay",
    "weight_methods",
]

METHODS: dict[str, type[WeightMethod]] = {
    method.NAME: method for method in (S3, TiedS3, DenseShift, DeepShiftQ, DeepShiftPS, APoT, Uniform)
}
"""Every weight method by its name."""


def make_method(name: str, bits: int, **options: Any) -> WeightMethod:
    """Return a weight method; ``ValueError`` if the name or the width is unknown."""
    if name not in METHODS:
        raise ValueError(f"weight method {name!r} is unknown, supported are {', '.join(METHODS)}")
    return METHODS[name](bits, **options)

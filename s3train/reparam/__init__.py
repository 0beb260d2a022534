"""Weight methods, each a torch parametrization."""

from s3train.reparam.regularizer import dense_weight_regularizer
from s3train.reparam.s3 import S3

__all__ = ["S3", "dense_weight_regularizer"]

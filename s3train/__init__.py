"""Training: shift weights, integer activations, export. Knows nothing of hardware."""

from s3train.convert import convert
from s3train.export import export
from s3train.fine_tune import fine_tune
from s3train.formats import TensorFormat
from s3train.integer import run_integer

__all__ = ["TensorFormat", "convert", "export", "fine_tune", "run_integer"]

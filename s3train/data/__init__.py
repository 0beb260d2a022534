"""Data sets, in memory, as integers as they come."""

from __future__ import annotations

from pathlib import Path

from s3train.data.dataset import DataError, ImageData
from s3train.data.digits import load_digits
from s3train.data.mnist import load_mnist

__all__ = ["DATASETS", "DataError", "ImageData", "load_data", "load_digits", "load_mnist"]

DATASETS = ("digits", "mnist")


def load_data(name: str, folder: Path) -> ImageData:
    """Return a data set by name; ``DataError`` if it is unknown or its files are missing or damaged."""
    if name == "digits":
        return load_digits()
    if name == "mnist":
        return load_mnist(folder / "mnist")
    raise DataError(f"data set {name!r} is unknown, supported are {', '.join(DATASETS)}")

"""Data sets, as integers as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from s3train.data.cifar import load_cifar10, load_cifar100
from s3train.data.dataset import DataError, ImageData, MemoryImages
from s3train.data.digits import load_digits
from s3train.data.folder import FolderImages
from s3train.data.mnist import load_fashion, load_mnist

__all__ = ["DATASETS", "DataError", "ImageData", "MemoryImages", "load_data", "load_digits", "load_mnist"]

DATASETS: dict[str, Callable[[Path], ImageData]] = {
    "digits": lambda folder: load_digits(),
    "mnist": lambda folder: load_mnist(folder / "mnist"),
    "fashion": lambda folder: load_fashion(folder / "fashion"),
    "cifar10": lambda folder: load_cifar10(folder / "cifar-10-batches-bin"),
    "cifar100": lambda folder: load_cifar100(folder / "cifar-100-binary"),
    "imagenet": lambda folder: FolderImages("imagenet", folder / "imagenet"),
}
"""Every data set by its name: called with the data folder."""


def load_data(name: str, folder: Path) -> ImageData:
    """Return a data set by name; ``DataError`` if it is unknown or its files are missing or damaged."""
    if name not in DATASETS:
        raise DataError(f"data set {name!r} is unknown, supported are {', '.join(DATASETS)}")
    return DATASETS[name](folder)

"""CIFAR-10 and CIFAR-100 from their binary files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s3train.data.dataset import DataError, MemoryImages
from s3train.formats import TensorFormat

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
"""Where the files are published."""

_PIXELS = 3 * 32 * 32


def load_cifar10(folder: Path) -> MemoryImages:
    """Return CIFAR-10 from ``data_batch_1.bin`` … ``data_batch_5.bin`` and ``test_batch.bin`` in a folder."""
    train = [_read(folder / f"data_batch_{n}.bin", 1, 10000, 10) for n in range(1, 6)]
    return _data("cifar10", train, _read(folder / "test_batch.bin", 1, 10000, 10))


def load_cifar100(folder: Path) -> MemoryImages:
    """Return CIFAR-100 (fine labels) from ``train.bin`` and ``test.bin`` in a folder."""
    return _data("cifar100", [_read(folder / "train.bin", 2, 50000, 100)], _read(folder / "test.bin", 2, 10000, 100))


def _read(path: Path, labels: int, count: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return images and labels of a file of records: label bytes (the last one counts), then the pixels."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); get the binary version from {HOME} and unpack it there"
        ) from error
    record = labels + _PIXELS
    if len(raw) != count * record:
        raise DataError(f"{path}: {len(raw)} bytes, {count * record} expected; get the file again from {HOME}")
    table = np.frombuffer(raw, np.uint8).reshape(count, record)
    found = table[:, labels - 1]
    wrong = np.flatnonzero(found >= classes)
    if len(wrong):
        raise DataError(
            f"{path}: record {wrong[0]} has label {found[wrong[0]]}, there are 0 to {classes - 1}; "
            f"get the file again from {HOME}"
        )
    images = torch.from_numpy(table[:, labels:].reshape(count, 3, 32, 32).copy())
    return images, torch.from_numpy(found.astype(np.int64))


def _data(name: str, train: list[tuple[Tensor, Tensor]], test: tuple[Tensor, Tensor]) -> MemoryImages:
    return MemoryImages(
        name,
        TensorFormat(8, 128, 7),
        torch.cat([images for images, _ in train]),
        torch.cat([labels for _, labels in train]),
        *test,
        shift=4,
        flip=True,
    )

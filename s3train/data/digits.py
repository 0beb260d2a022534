"""scikit-learn's digits: 1,797 images of 8x8 pixels, values 0 to 16; in its wheel, so always there."""

from __future__ import annotations

import numpy as np
import torch

from s3train.data.dataset import MemoryImages
from s3train.formats import TensorFormat


def load_digits() -> MemoryImages:
    """Return the digits; a fixed fifth of every class is held out for the test."""
    from sklearn.datasets import load_digits as sklearn_digits

    source = sklearn_digits()
    images = torch.from_numpy(source.images.astype(np.uint8))[:, None]
    labels = torch.from_numpy(source.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(10):
        members = order[labels[order] == label]
        test[members[: round(len(members) / 5)]] = True
    return MemoryImages(
        "digits", TensorFormat(5, 0, 4), images[~test], labels[~test], images[test], labels[test], shift=1
    )

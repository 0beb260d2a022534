"""The images of a verification: extreme ones between real ones, so that a few of them are both."""

from __future__ import annotations

import numpy as np

from hw.graph import Tensor


def extreme_images(tensor: Tensor, seed: int = 0) -> np.ndarray:
    """Return four images of a tensor's shape, uint8: all maximum, checkerboard of 0 and maximum, all 0, random."""
    channels, height, width = tensor.shape
    c, y, x = np.indices((channels, height, width))
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.full(tensor.shape, tensor.maximum),
            (c + y + x) % 2 * tensor.maximum,
            np.zeros(tensor.shape, np.int64),
            rng.integers(0, tensor.maximum + 1, tensor.shape),
        ]
    ).astype(np.uint8)


def with_extremes(tensor: Tensor, real: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the first real image, the extreme ones and the other real ones, uint8 (n, channels, height, width)."""
    extreme = extreme_images(tensor, seed)
    return np.concatenate([real[:1], extreme, real[1:]]) if len(real) else extreme

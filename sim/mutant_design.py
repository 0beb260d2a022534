"""The small but complete engine whose mutants are made, and networks for corners that random ones do not reach."""

from __future__ import annotations

import numpy as np

from hw.graph import Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.config import EngineConfig, MemoryKind


def mutant_config() -> EngineConfig:
    """Return an engine of 4 x 2 cells in four tiles with everything that is cheap.

    Residual sums, max pools, maps of fewer bits, the class, one requantiser for two columns, and a word of two lane
    sets. Widths and depths are small, so that few bits of it are out of a small network's reach.
    """
    return EngineConfig(
        rows=4, cols=2, activation_bits=8, alphabet=Alphabet.s3(3), acc_width=18, scaled_width=28, output_shift=10,
        max_scale_shift=10, min_residual_shift=8, max_residual_shift=10, columns_per_requantizer=2, psum_depth=16,
        constant_depth=32, memory_words=2048, memory=MemoryKind.BLOCK, tile_rows=2, tile_cols=1, coordinate_bits=5,
        watchdog_bits=13,
    )  # fmt: skip


def many_classes(classes: int = 300) -> Network:
    """Return a linear layer with more logits than the buffer holds; all columns have the same constants.

    The largest logits come late, so that the class is a large number.
    """
    image = Tensor("image", 3, 1, 1, 8, 0, 8)
    weight = np.array([[1 << (n + channel) % 3 for channel in range(3)] for n in range(classes)], np.int32)
    weight[:-40, 1] = 1
    weight[:-40, 2] = 0
    bias = np.zeros(classes, np.int64)
    logits = Logits("logits", "image", weight.reshape(classes, 3, 1, 1), Alphabet.s3(3), bias, 8)
    network = Network("many-classes", "image", {"image": image}, (logits,))
    network.validate()
    return network


def wide_strides(stride: int = 13) -> Network:
    """Return a convolution of 1 x 1 with a stride of more than half its field's range, both ways, and logits."""
    size = 2 * stride + 1
    image, hidden = Tensor("image", 1, size, size, 8, 0, 8), Tensor("hidden", 2, 3, 3, 8, 0, 8)
    zero = np.zeros(2, np.int64)
    rescale = Rescale(zero, zero, zero, zero, zero, zero)
    weight = np.array([1, -1], np.int32).reshape(2, 1, 1, 1)
    convolution = Convolution(
        "conv", "image", "hidden", weight, Alphabet.s3(3), (stride, stride), Padding(), 1, False, rescale, None
    )
    weight = np.array([(-1) ** n << n % 3 for n in range(36)], np.int32).reshape(2, 2, 3, 3)
    logits = Logits("logits", "hidden", weight, Alphabet.s3(3), np.zeros(2, np.int64), 8)
    network = Network("wide-strides", "image", {"image": image, "hidden": hidden}, (convolution, logits))
    network.validate()
    return network


def large_biases() -> Network:
    """Return logits that differ in their high bits only: biases of every power of two, both signs."""
    image = Tensor("image", 2, 1, 1, 8, 0, 8)
    powers = np.array([1 << k for k in range(16, 26)], np.int64)
    bias = np.concatenate([-powers, powers])[::3]
    bias = np.concatenate([bias, powers[-1:] + powers[:-1]])
    weight = np.ones((len(bias), 2, 1, 1), np.int32)
    logits = Logits("logits", "image", weight, Alphabet.s3(3), bias, 8)
    network = Network("large-biases", "image", {"image": image}, (logits,))
    network.validate()
    return network

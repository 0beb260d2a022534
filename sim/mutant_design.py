"""The small but complete engine whose mutants are made, and networks for corners that random ones do not reach."""

from __future__ import annotations

import numpy as np

from hw.graph import Alphabet, Convolution, Logits, MaxPool, Network, Padding, Rescale, Tensor
from hw.systolic.config import EngineConfig, MemoryKind


def mutant_config() -> EngineConfig:
    """Return an engine of 4 x 2 cells in four tiles with everything that is cheap.

    Residual sums, max pools, maps of fewer bits, the class, one requantiser for two columns, and a word of two lane
    sets. Widths and depths are small, so that few bits of it are out of a small network's reach; the
    memory has room for the program of as many classes as there can be.
    """
    return EngineConfig(
        rows=4, cols=2, activation_bits=8, alphabet=Alphabet.s3(3), acc_width=18, scaled_width=32, output_shift=16,
        max_scale_shift=16, min_residual_shift=13, max_residual_shift=16, columns_per_requantizer=2, psum_depth=16,
        constant_depth=32, memory_words=8192, memory=MemoryKind.BLOCK, tile_rows=2, tile_cols=1, coordinate_bits=5,
        watchdog_bits=15,
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


def wide_maps(width: int = 16, height: int = 20) -> Network:
    """Return two convolutions on maps larger than half their coordinates' range, one with padding and a residual.

    An engine with 16 partial sums takes a row at a time: more strips than half of what a loop can count.
    """
    tensors = {name: Tensor(name, 2, height, width, 8, 0, 8) for name in ("wide", "padded")}
    tensors["image"] = Tensor("image", 1, height, width, 8, 0, 8)
    rng = np.random.default_rng(3)
    zero, values = np.zeros(2, np.int64), np.array(Alphabet.s3(3).values, np.int32)
    layers = [
        Convolution(
            source + "-conv", source, output, rng.choice(values, size=(2, tensors[source].channels, size, size)),
            Alphabet.s3(3), (1, 1), Padding(size // 2, size // 2, size // 2, size // 2), 1, False,
            Rescale(zero, zero, zero + size, zero, zero, zero + 40), residual,
        )
        for source, output, size, residual in (("image", "wide", 1, None), ("wide", "padded", 3, "wide"))
    ]  # fmt: skip
    weight = rng.integers(-1, 2, (2, 2, height, width), np.int32)
    logits = Logits("logits", "padded", weight, Alphabet.s3(3), zero, 8)
    network = Network("wide-maps", "image", tensors, (*layers, logits))
    network.validate()
    return network


def padded_strides(stride: int, size: int = 12) -> Network:
    """Return a convolution of 3 x 3 on a padded map, whose last window begins on the map's last pixel, and logits.

    A stride of other bits moves the windows off or onto the padding.
    """
    tensors = {
        "image": Tensor("image", 1, size, size, 8, 0, 8),
        "map": Tensor("map", 2, size, size, 8, 0, 8),
        "strided": Tensor("strided", 2, size // stride + 1, size // stride + 1, 8, 0, 8),
    }
    rng = np.random.default_rng(stride)
    zero, values = np.zeros(2, np.int64), np.array(Alphabet.s3(3).values, np.int32)
    layers = [
        Convolution(
            "map-conv", "image", "map", np.array([1, 2], np.int32).reshape(2, 1, 1, 1), Alphabet.s3(3), (1, 1),
            Padding(), 1, False, Rescale(zero, zero, zero, zero, zero, zero + 20), None,
        ),
        Convolution(
            "strided-conv", "map", "strided", rng.choice(values, size=(2, 2, 3, 3)), Alphabet.s3(3), (stride, stride),
            Padding(1, 2, 1, 2), 1, False, Rescale(zero, zero, zero + 1, zero, zero, zero + 60), None,
        ),
    ]  # fmt: skip
    weight = rng.choice(values, size=(2, *tensors["strided"].shape))
    logits = Logits("logits", "strided", weight, Alphabet.s3(3), zero, 8)
    network = Network(f"padded-stride-{stride}", "image", tensors, (*layers, logits))
    network.validate()
    return network


def strips_of_maxima() -> Network:
    """Return a pool of maxima that takes more than one strip: instructions are read while maxima are compared."""
    tensors = {
        "image": Tensor("image", 1, 10, 16, 8, 0, 8),
        "map": Tensor("map", 2, 10, 16, 8, 0, 8),
        "maxima": Tensor("maxima", 2, 9, 15, 8, 0, 8),
    }
    rng = np.random.default_rng(5)
    zero, values = np.zeros(2, np.int64), np.array(Alphabet.s3(3).values, np.int32)
    convolution = Convolution(
        "conv", "image", "map", np.array([1, 2], np.int32).reshape(2, 1, 1, 1), Alphabet.s3(3), (1, 1),
        Padding(), 1, False, Rescale(zero, zero, zero, zero, zero, zero), None,
    )  # fmt: skip
    pool = MaxPool("pool", "map", "maxima", (2, 2), (1, 1), Padding())
    weight = rng.choice(values, size=(2, *tensors["maxima"].shape))
    logits = Logits("logits", "maxima", weight, Alphabet.s3(3), zero, 8)
    network = Network("strips-of-maxima", "image", tensors, (convolution, pool, logits))
    network.validate()
    return network


def padded_image(size: int, bits: int = 8, pad: int = 1) -> Network:
    """Return a convolution of a padded image in one pass, so that its map may be larger than the sums' memory."""
    wide = size + 2 * pad - 2
    tensors = {
        "image": Tensor("image", 1, size, size, bits, 1 << bits - 1 if bits < 8 else 0, 8),
        "map": Tensor("map", 1, size, wide, 8, 0, 8),
    }
    zero = np.zeros(1, np.int64)
    convolution = Convolution(
        "conv", "image", "map", np.array([1, -1, 2], np.int32).reshape(1, 1, 1, 3), Alphabet.s3(3), (1, 1),
        Padding(left=pad, right=pad), 1, False, Rescale(zero, zero, zero + 1, zero, zero, zero + 99), None,
    )  # fmt: skip
    weight = np.random.default_rng(6).integers(-1, 2, (2, 1, size, wide), np.int32)
    logits = Logits("logits", "map", weight, Alphabet.s3(3), np.zeros(2, np.int64), 8)
    network = Network(f"padded-image-{size}-{bits}", "image", tensors, (convolution, logits))
    network.validate()
    return network


FAVOURITES = (341, 682, 511, 984, 256, 130, 767, 900)
"""Classes of :func:`all_classes` that an image can choose: a multiple of 4."""


def all_classes(classes: int = 1000) -> Network:
    """Return a linear layer with as many logits as there can be; each activation of the image has a favourite class.

    The favourites are large, and so many bits of theirs are 0 or 1 that each bit of a class is told from each other.
    """
    image = Tensor("image", 4, 1, len(FAVOURITES) // 4, 8, 0, 8)
    weight = np.zeros((classes, len(FAVOURITES)), np.int32)
    for channel, favourite in enumerate(FAVOURITES):
        weight[favourite, channel] = 4
    weight[-1] = 1
    bias = np.zeros(classes, np.int64)
    logits = Logits("logits", "image", weight.reshape(classes, *image.shape), Alphabet.s3(3), bias, 8)
    network = Network("all-classes", "image", {"image": image}, (logits,))
    network.validate()
    return network


def favourite_images() -> np.ndarray:
    """Return an image of :func:`all_classes` for each favourite, and one for the last class."""
    count = len(FAVOURITES)
    images = np.eye(count + 1, count, dtype=np.uint8) * 255
    images[-1] = 255
    images[-1, 0] = 200
    return images.reshape(count + 1, 4, 1, count // 4)


def close_logits(bit: int, sign: int, order: int) -> Network:
    """Return logits of which one is larger than another by 1: a power of two and the number below, all bits differ.

    Some much smaller ones come between, so that the first one has to be kept.
    """
    image = Tensor("image", 1, 1, 1, 8, 0, 8)
    one, other = np.array([1 << bit, (1 << bit) - 1])[::order] * sign
    bias = np.array([one, *(3 * [-(1 << 30)]), other], np.int64)
    logits = Logits("logits", "image", np.ones((5, 1, 1, 1), np.int32), Alphabet.s3(3), bias, 8)
    network = Network("close-logits", "image", {"image": image}, (logits,))
    network.validate()
    return network


def large_sums() -> Network:
    """Return logits of as many inputs as the accumulators can hold the sums of, at either end and between."""
    image = Tensor("image", 2, 8, 8, 8, 0, 8)
    rng = np.random.default_rng(0)
    weight = rng.choice(np.array(Alphabet.s3(3).values), size=(8, 2, 8, 8)).astype(np.int32)
    weight[0], weight[1] = 4, -4
    weight[2, :, ::2], weight[3, :, 1::2] = 4, -4
    logits = Logits("logits", "image", weight, Alphabet.s3(3), np.arange(8), 8)
    network = Network("large-sums", "image", {"image": image}, (logits,))
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

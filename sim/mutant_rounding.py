"""Networks whose outputs turn on the lowest bits of the sums that are rounded."""

from __future__ import annotations

import numpy as np

from hw.graph import Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.config import EngineConfig

SIZE = 16
"""Pixels of a side: as many as an activation has values."""


def every_shift(config: EngineConfig) -> Network:
    """Return a layer whose channels have every scale shift and factor, and thresholds within what they reach.

    A channel's output changes by 1 where its sum passes a number that the sum takes, so one bit more or less is seen.
    """
    rng = np.random.default_rng(0)
    # With those of the last two layers, all sets of constants that there can be.
    channels = 2 * config.constant_depth - 4
    s = config.output_shift - np.arange(channels) % (config.max_scale_shift + 1)
    t = np.arange(channels) // 2 % 3 - 1
    j = np.where(t == 0, 0, 1 + np.arange(channels) % 4)
    sign = rng.choice([-1, 1], channels)
    weight = sign * rng.choice([1, 2, 4], channels)
    sums = weight * ((1 << j) + t) * rng.integers(1, 255, channels)
    bias = (rng.integers(1, 200, channels) << s) - sums
    zero = np.zeros(channels, np.int64)
    rescale = Rescale(t, j, s, zero, zero, bias)
    return _ends_with("every-shift", [_layer("wide", weight, rescale, None)], channels)


def every_residual_shift(config: EngineConfig) -> Network:
    """Return layers that add residuals with each residual shift of the engine, and to odd numbers."""
    rng = np.random.default_rng(1)
    channels = 4
    zero = np.zeros(channels, np.int64)
    layers = [_layer("first", np.ones(channels, np.int64), Rescale(zero, zero, zero, zero, zero, zero), None)]
    s = zero + config.output_shift - config.min_residual_shift
    for k in range(config.max_residual_shift - config.min_residual_shift + 1):
        bias = rng.integers(0, 16, channels)
        layers.append(
            _layer(f"add{k}", np.array([0, 1, -1, 2]), Rescale(zero, zero, s, zero, zero + k, bias), layers[-1].output)
        )
    return _ends_with("every-residual-shift", layers, channels)


def narrow_map(bits: int) -> Network:
    """Return a layer that stores few bits of every sum from far below 0 to far above, and one that pads its map."""
    tensors = {
        "image": Tensor("image", 1, SIZE, SIZE, 8, 0, 8),
        "narrow": Tensor("narrow", 2, SIZE, SIZE, bits, 1 << bits - 1, 8),
        "strided": Tensor("strided", 2, 4, 4, 8, 0, 8),
    }
    zero = np.zeros(2, np.int64)
    weight = np.array([1, -1], np.int32).reshape(2, 1, 1, 1)
    rescale = Rescale(zero, zero, zero, zero, zero, np.array([-100, 100]))
    narrow = Convolution(
        "narrow-conv", "image", "narrow", weight, Alphabet.s3(3), (1, 1), Padding(), 1, False, rescale, None
    )
    weight = np.random.default_rng(bits).choice(np.array(Alphabet.s3(3).values, np.int32), size=(2, 2, 3, 3))
    rescale = Rescale(zero, zero, zero, zero, zero, zero + 128)
    padded = Convolution(
        "padded-conv", "narrow", "strided", weight, Alphabet.s3(3), (5, 5), Padding(1, 1, 1, 1), 1, False, rescale, None
    )
    logits = Logits("logits", "strided", np.ones((2, 2, 4, 4), np.int32), Alphabet.s3(3), zero, 8)
    network = Network(f"narrow-map-{bits}", "image", tensors, (narrow, padded, logits))
    network.validate()
    return network


def _layer(name: str, weight: np.ndarray, rescale: Rescale, residual: str | None) -> Convolution:
    kernel = weight.astype(np.int32).reshape(-1, 1, 1, 1)
    return Convolution(
        name, "image", f"{name}-map", kernel, Alphabet.s3(3), (1, 1), Padding(), 1, False, rescale, residual
    )


def _ends_with(name: str, layers: list[Convolution], channels: int) -> Network:
    """Return the network that goes on with the corners of the last map, and logits."""
    tensors = {"image": Tensor("image", 1, SIZE, SIZE, 8, 0, 8)}
    for layer in layers:
        tensors[layer.output] = Tensor(layer.output, channels, SIZE, SIZE, 8, 0, 8)
    tensors["corners"] = Tensor("corners", 2, 2, 2, 8, 0, 8)
    zero = np.zeros(2, np.int64)
    weight = np.resize(np.array([1, 0, -1, 2], np.int32), (2, channels, 1, 1))
    corners = Convolution(
        "corners", layers[-1].output, "corners", weight, Alphabet.s3(3), (SIZE - 1, SIZE - 1), Padding(), 1, False,
        Rescale(zero, zero, zero + 4, zero, zero, zero), None,
    )  # fmt: skip
    logits = Logits("logits", "corners", np.ones((2, 2, 2, 2), np.int32), Alphabet.s3(3), zero, 8)
    network = Network(name, "image", tensors, (*layers, corners, logits))
    network.validate()
    return network


def ramps() -> np.ndarray:
    """Return an image with every value of a pixel, and the same in another order."""
    values = np.arange(SIZE * SIZE, dtype=np.uint8)
    return np.stack([values, np.random.default_rng(2).permutation(values)]).reshape(2, 1, SIZE, SIZE)

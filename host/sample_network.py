"""A small random network for any engine, to test a board with."""

from __future__ import annotations

import numpy as np

from hw.graph import Logits, Network, Tensor
from hw.systolic.config import EngineConfig


def sample_network(config: EngineConfig, rng: np.random.Generator) -> Network:
    """Return a linear network of 4 x 4 pixels and as many classes as the array has columns."""
    classes = max(2, min(10, config.cols))
    values = np.array(config.alphabet.values, np.int32)
    shape = (classes, 1, 4, 4)
    weight = rng.choice(values, shape).astype(np.int32)
    image = Tensor("image", 1, 4, 4, config.activation_bits, 0, config.activation_bits)
    logits = Logits("logits", "image", weight, config.alphabet, np.zeros(classes, np.int64), config.activation_bits)
    network = Network("self-test", "image", {"image": image}, (logits,))
    network.validate()
    return network

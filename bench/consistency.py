"""How often logits stay as they are when an image is shifted around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from hw.graph import Network, Polyphase
from s3train.formats import TensorFormat
from s3train.integer import IntegerModel

BATCH = 256


@dataclass(frozen=True)
class Consistency:
    """What all circular shifts of some images give.

    Attributes
    ----------
    images, tied : int
        Images, and those with a tie at a polyphase layer, which are left out.
    shifts : int
        Shifts of each image.
    logits, classes : float
        Share of all shifts whose logits, whose class, are those of the image as it is.
    """

    images: int
    tied: int
    shifts: int
    logits: float
    classes: float


def tied(network: Network, images: np.ndarray) -> np.ndarray:
    """Return for every image whether two phases of a polyphase layer have the largest norm."""
    stored = network.run(images)
    nodes = [node for node in network.nodes if isinstance(node, Polyphase)]
    return np.any([node.ties(stored) for node in nodes], axis=0) if nodes else np.zeros(len(images), bool)


@torch.no_grad()
def measure(model: fx.GraphModule, network: Network, fmt: TensorFormat, images: np.ndarray) -> Consistency:
    """Run all circular shifts of images (n, channels, height, width) through a network.

    The evaluation model computes what the integer network does, exactly; that is checked on the images as they are.
    """
    left_out = tied(network, images)
    kept = images[~left_out]
    _, _, height, width = images.shape
    if not len(kept):
        return Consistency(len(images), len(images), height * width, 0.0, 0.0)
    scale = 2.0 ** IntegerModel(model, fmt).logit_exponent

    def logits(stored: Tensor) -> np.ndarray:
        real = (stored.float() - fmt.zero_point) * 2.0**-fmt.exponent
        parts = [model(real[i : i + BATCH]).double() * scale for i in range(0, len(real), BATCH)]
        return torch.cat(parts).long().numpy()

    plain = logits(torch.from_numpy(kept))
    if not np.array_equal(plain, network.run(kept)[network.logits.name]):
        raise AssertionError("the evaluation model and the integer network have different logits")
    same = alike = 0
    for image, want in zip(torch.from_numpy(kept), plain, strict=True):
        shifted = torch.stack([torch.roll(image, (y, x), (1, 2)) for y in range(height) for x in range(width)])
        found = logits(shifted)
        same += int((found == want).all(axis=1).sum())
        alike += int((found.argmax(axis=1) == want.argmax()).sum())
    count = max(1, len(kept) * height * width)
    return Consistency(len(images), int(left_out.sum()), height * width, same / count, alike / count)

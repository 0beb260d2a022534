"""The PyTorch integer reference's stored tensors, kept for the hardware to be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch.fx import GraphModule

from hw.graph import Network
from hw.whole_file import whole_file
from s3train.data import ImageData
from s3train.integer import IntegerModel


@dataclass(frozen=True, eq=False)
class Reference:
    """Test images, their labels, and what the PyTorch integer reference makes of them.

    Attributes
    ----------
    images : uint8 (images, channels, height, width)
        Stored numbers.
    labels : int64 (images,)
        Classes.
    stored : dict
        Every stored tensor by its name in the integer network, and the logits by the last node's name.
    """

    images: np.ndarray
    labels: np.ndarray
    stored: dict[str, np.ndarray]


def make_reference(model: nn.Module, network: Network, data: ImageData, count: int) -> Reference:
    """Run the integer reference on the first ``count`` test images."""
    assert isinstance(model, GraphModule)
    images, labels = data.test(0, min(count, data.test_count))
    named = IntegerModel(model, data.format).run(images)
    stored = {}
    for node in network.nodes:
        values = named[node.name].numpy()
        if node is network.logits:
            stored[node.name] = values
        else:
            stored[node.output] = values.reshape(len(values), *network.tensor(node.output).shape)
    return Reference(images.numpy(), labels.numpy(), stored)


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference as one compressed file of arrays."""
    arrays: dict[str, Any] = {f"stored.{name}": values for name, values in reference.stored.items()}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, images=reference.images, labels=reference.labels,
            **arrays,
        )  # fmt: skip


def load_reference(path: Path) -> Reference:
    """Read a reference; ``ValueError`` if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {name.removeprefix("stored."): arrays[name] for name in arrays.files if name.startswith("stored.")}
            reference = Reference(arrays["images"], arrays["labels"], stored)
        images = reference.images
        if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
            raise TypeError(f"images are {images.dtype} {images.shape}")
        for name, values in stored.items():
            if values.dtype.kind not in "iu" or values.shape[:1] != images.shape[:1]:
                raise TypeError(f"{name} is {values.dtype} {values.shape}")
        return reference
    except Exception as error:
        raise ValueError(f"{path}: damaged ({error}); export and generate again") from error

"""Accuracy on the test images."""

from __future__ import annotations

import torch
from torch import nn

from s3train.data import ImageData
from s3train.integer import IntegerModel, predictions

_STEP = 500


def integer_accuracy(model: nn.Module, data: ImageData) -> float:
    """Return the share of test images that the integer reference classifies right."""
    assert isinstance(model, torch.fx.GraphModule)
    reference = IntegerModel(model, data.format)
    right = 0
    for i in range(0, len(data.test_images), _STEP):
        logits = reference.run(data.test_images[i : i + _STEP])
        right += int((predictions(logits) == data.test_labels[i : i + _STEP]).sum())
    return right / len(data.test_images)


@torch.no_grad()
def accuracy(model: nn.Module, data: ImageData) -> float:
    """Return the share of test images that the evaluation model classifies right."""
    model.eval()
    right = 0
    for i in range(0, len(data.test_images), _STEP):
        logits = model(data.real(data.test_images[i : i + _STEP]))
        right += int((predictions(logits) == data.test_labels[i : i + _STEP]).sum())
    return right / len(data.test_images)


@torch.no_grad()
def differing_logits(model: nn.Module, data: ImageData) -> int:
    """Return how many logits of the test images differ between the evaluation model and the integer reference."""
    assert isinstance(model, torch.fx.GraphModule)
    reference = IntegerModel(model, data.format)
    exponent = reference.logit_exponent
    different = 0
    for i in range(0, len(data.test_images), _STEP):
        images = data.test_images[i : i + _STEP]
        integers = list(reference.run(images).values())[-1]
        real = model(data.real(images)).double() * 2.0**exponent
        different += int((real != integers.double()).sum())
    return different

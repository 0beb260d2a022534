"""Accuracy on the test images."""

from __future__ import annotations

import torch
from torch import nn

from s3train.data import ImageData
from s3train.integer import IntegerModel, predictions


@torch.no_grad()
def accuracy(model: nn.Module, data: ImageData) -> float:
    """Return the share of test images that the evaluation model classifies right."""
    model.eval()
    device = _device(model)
    batches = data.test_batches()
    right = sum(int((predictions(model(data.real(x).to(device))).cpu() == y).sum()) for x, y in batches)
    return right / data.test_count


@torch.no_grad()
def integer_evaluation(model: nn.Module, data: ImageData) -> tuple[float, float, int]:
    """Return (accuracy of the evaluation model, accuracy of the integer reference, differing logits).

    The last number is how many logits of the test images differ between the two; the evaluation is made to be exact,
    so it is 0.
    """
    assert isinstance(model, torch.fx.GraphModule)
    reference = IntegerModel(model.eval(), data.format)
    scale = 2.0**reference.logit_exponent
    device = _device(model)
    right = integer_right = different = 0
    for images, labels in data.test_batches():
        integers = list(reference.run(images).values())[-1]
        logits = model(data.real(images).to(device)).cpu().double() * scale
        right += int((predictions(logits) == labels).sum())
        integer_right += int((predictions(integers) == labels).sum())
        different += int((logits != integers.double()).sum())
    return right / data.test_count, integer_right / data.test_count, different


def _device(model: nn.Module) -> torch.device:
    """Return where a model's parameters are."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))

"""The evaluation model equals the integer network, however large its sums are."""

import pytest
import torch
from torch import nn

from s3train import TensorFormat, convert
from s3train.integer import IntegerModel
from s3train.layers import ShiftLogits
from s3train.layers.exact_sums import exact_sums
from s3train.models import build_model
from s3train.reparam import weight_methods

BLACK, GREY = TensorFormat(8, 0, 8), TensorFormat(8, 128, 7)


def large(model, shape, bits, image):
    """A network most of whose weights have the largest magnitude and one sign."""
    torch.manual_seed(0)
    network = convert(build_model(model, shape, 10), "s3", bits, image=image).train()
    for _, _, _, latents in weight_methods(network):
        latents.data = latents.data.abs() * torch.where(torch.rand_like(latents) < 0.97, 1.0, -1.0)
    images = torch.randint(0, 256, (32, *shape))
    for _ in range(3):
        network((images - image.zero_point) * 2.0**-image.exponent)
    return network.eval()


@pytest.mark.parametrize("image", [BLACK, GREY])
@pytest.mark.parametrize("bits", [3, 5])
@pytest.mark.parametrize(("model", "shape"), [("mlp", (3, 32, 32)), ("lenet5", (1, 28, 28))])
@torch.no_grad()
def test_every_logit_is_the_integer_networks(model, shape, bits, image):
    network = large(model, shape, bits, image)
    images = torch.randint(0, 256, (64, *shape), dtype=torch.uint8)
    reference = IntegerModel(network, image)
    wanted = list(reference.run(images).values())[-1]
    logits = network((images.double() - image.zero_point).float() * 2.0**-image.exponent)
    assert torch.equal(logits.double() * 2.0**reference.logit_exponent, wanted.double())


@torch.no_grad()
def test_the_logits_constant_is_rounded_as_the_integer_networks():
    # In float32 half a step less than 1/2 plus 1/2 is 1.
    layer = nn.Linear(1, 3, bias=False)
    layer.weight.data.zero_()
    logits = ShiftLogits(layer, source=lambda: BLACK).eval()
    logits.beta.data = torch.tensor([0.49999997, 0.5, -0.5]) / 256
    assert logits.bias_integer().tolist() == [0, 1, 0]
    assert (logits(torch.zeros(1, 1)) * 256).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("weight", "bias", "image", "kind"),
    [
        (1 << 14, 0, BLACK, torch.float32),
        (1 << 14, 1 << 20, BLACK, torch.float64),
        (1 << 16, 0, GREY, torch.float32),
        (1 << 17, 0, BLACK, torch.float64),
        (1 << 17, 0, GREY, torch.float64),
    ],
)
@pytest.mark.parametrize("layer", [nn.Linear(4, 2, bias=False), nn.Conv1d(4, 2, 1, bias=False)])
def test_only_a_layer_with_large_sums_is_evaluated_in_float64(layer, weight, bias, image, kind):
    layer.weight.data = torch.full_like(layer.weight, weight / 4)
    x = torch.ones(1, 4, 1) if isinstance(layer, nn.Conv1d) else torch.ones(1, 4)
    sums = exact_sums(layer, x, image, 16 * bias)
    assert sums.dtype == kind and sums.flatten().tolist() == [weight, weight]

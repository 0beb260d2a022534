"""Adaptive polyphase sampling in torch: what is chosen, gradients, shift invariance, refusals, the same in integers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hw.graph import Polyphase as PolyphaseNode
from s3train import TensorFormat, convert, export
from s3train.formats import UnsupportedModelError
from s3train.integer import IntegerModel
from s3train.layers import AddressShift, CircularConv2d, CircularMaxPool, Polyphase, check_circular
from s3train.models import build_model
from s3train.models.cifar_resnet import CifarResNet
from s3train.models.invariant_addressnet import InvariantAddressNet
from s3train.models.polyphase_block import PolyphaseBlock
from tests.train.test_export import check, trained

FORMAT = TensorFormat(8, 0, 8)
SIGNED = TensorFormat(8, 128, 7)


def small_resnet(shape):
    return CifarResNet(shape, 10, widths=(8, 8, 16), block=PolyphaseBlock, padding_mode="circular")


def small_addressnet(shape):
    return InvariantAddressNet(shape, 10, width=8, depth=1)


class Pooled(nn.Module):
    """A max pool that wraps around before the sampling; ``first``: what the image goes through."""

    def __init__(self, first=lambda x: x):
        super().__init__()
        self.first = first
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, 1, 1, bias=False, padding_mode="circular"), nn.BatchNorm2d(8), nn.ReLU(),
            CircularMaxPool(2), Polyphase(),
        )  # fmt: skip
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, x):
        return self.classifier(self.pool(self.stem(self.first(x))).flatten(1))


MODELS = {"resnet": small_resnet, "all": small_addressnet, "pool": lambda shape: Pooled()}


class Guided(nn.Module):
    """A map sampled by another one's phase, named as the caller likes."""

    def __init__(self, named):
        super().__init__()
        self.stem, self.guide = nn.Sequential(*layer(1)), nn.Sequential(*layer(8))
        self.sample, self.named = Polyphase(), named
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, image):
        x = self.stem(image)
        guide = self.guide(x)
        sample = self.sample(guide=guide, x=x) if self.named else self.sample(x, guide)
        return self.classifier(self.pool(sample).flatten(1))


def test_named_arguments_are_those_of_forward():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, 1, 8, 8))
    named, plain = (trained(build_guided(named), FORMAT, images.float() / 256) for named in (True, False))
    check(named, FORMAT, (1, 8, 8), images)
    with torch.no_grad():
        assert torch.equal(named(images.float() / 256), plain(images.float() / 256))
    made = export(named, FORMAT, (1, 8, 8))
    node = next(node for node in made.nodes if isinstance(node, PolyphaseNode))
    assert (node.input, node.guide) == ("stem_0_block.out", "guide_0_block.out")


def build_guided(named):
    torch.manual_seed(3)
    return Guided(named)


def test_what_is_not_a_number_is_passed_on():
    x = torch.rand(3, 2, 4, 4)
    x[1, 0, 0, 0] = float("nan")
    assert Polyphase()(x).isnan().any(dim=(1, 2, 3)).tolist() == [False, True, False]


def test_layers_that_do_the_same_at_every_pixel_may_pad_as_they_like():
    for padding in ("same", "valid", 0):
        check_circular(nn.Sequential(nn.Conv2d(1, 4, 1, padding=padding), Polyphase()))
    check_circular(nn.Sequential(nn.Conv2d(1, 4, 3, padding="same", padding_mode="circular"), Polyphase()))
    # Behind the global average there is nothing to shift.
    convert(nn.Sequential(*layer(1), Polyphase(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1, bias=False),
                          nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(1), nn.Flatten(), nn.Linear(8, 10)),
            image=FORMAT)  # fmt: skip


@pytest.mark.parametrize("norm", [1, 2])
def test_the_phase_of_the_largest_norm_is_taken_image_by_image(norm):
    x = torch.zeros(4, 2, 4, 4)
    phases = [(0, 0), (1, 0), (0, 1), (1, 1)]
    for image, (i, j) in enumerate(phases):
        x[image, 1, i, 2 + j] = -3.0
        # The largest sum is not the largest sum of squares.
        x[image, 0, 1 - i, 1 - j] = x[image, 0, 3 - i, 1 - j] = 2.0 if norm == 2 else 1.0
    y = Polyphase(norm)(x)
    assert all(torch.equal(y[n], x[n, :, i::2, j::2]) for n, (i, j) in enumerate(phases))


def test_the_first_phase_wins_ties_and_the_gradient_goes_to_the_sample():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    Polyphase()(x).sum().backward()
    assert torch.equal(x.grad[0, 0], torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]))


def test_the_gradient_goes_back_to_the_phase_that_was_taken():
    x = torch.ones(4, 1, 4, 4)
    phases = [(0, 0), (1, 0), (0, 1), (1, 1)]
    for image, (i, j) in enumerate(phases):
        x[image, 0, i, j] = 2
    x.requires_grad_()
    Polyphase()(x).sum().backward()
    for image, (i, j) in enumerate(phases):
        assert (x.grad[image, 0, i::2, j::2] == 1).all() and x.grad[image].sum() == 4


def test_a_shortcut_takes_the_phase_of_the_main_branch():
    x, guide = torch.arange(16.0).reshape(1, 1, 4, 4), torch.zeros(1, 3, 4, 4)
    guide[0, 2, 2, 3] = 1
    assert torch.equal(Polyphase()(x, guide), x[:, :, 0::2, 1::2])


@pytest.mark.parametrize(
    "make", [small_resnet, small_addressnet, lambda shape: Pooled()], ids=["resnet", "all", "pool"]
)
@pytest.mark.parametrize("bits", [8, 4])
def test_networks_are_the_same_in_training_integers_and_numpy(make, bits):
    shape = (1, 8, 8)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, *shape))
    check(trained(make(shape), FORMAT, images.float() / 256, activation_bits=bits), FORMAT, shape, images)


@pytest.mark.parametrize(
    "make", [small_resnet, small_addressnet, lambda shape: Pooled()], ids=["resnet", "all", "pool"]
)
@pytest.mark.parametrize("steps", ["trained", "untrained"])
def test_logits_do_not_change_with_circular_shifts(make, steps):
    """In torch, in torch's integers and in numpy: every shift of every image without a tie."""
    shape = (1, 8, 8)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (5, *shape))
    model = make(shape)
    real = images.float() / 256
    network = trained(model, FORMAT, real) if steps == "trained" else convert(model, image=FORMAT).eval()
    exported, integers = export(network, FORMAT, shape), IntegerModel(network, FORMAT)
    samples = [node for node in exported.nodes if isinstance(node, PolyphaseNode)]
    stored = exported.run(images.numpy().astype(np.uint8))
    # A shift moves the maps, so their norms are the same in another order: ties stay ties.
    clear = ~np.any([node.ties(stored) for node in samples], axis=0)
    assert samples and clear.sum() >= 3
    images, want = images[torch.from_numpy(clear)], stored[exported.logits.name][clear]
    for dy in range(8):
        for dx in range(8):
            moved = torch.roll(images, (dy, dx), (2, 3))
            assert np.array_equal(exported.run(moved.numpy().astype(np.uint8))[exported.logits.name], want)
            assert np.array_equal(list(integers.run(moved).values())[-1].numpy(), want)
            with torch.no_grad():
                logits = network(moved.float() / 256).double() * 2.0**integers.logit_exponent
            assert np.array_equal(logits.numpy(), want)


def test_the_strided_twin_is_not_invariant():
    shape = (1, 8, 8)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (5, *shape))
    network = trained(build_model("resnet8_strided", shape, 10), FORMAT, images.float() / 256)
    exported = export(network, FORMAT, shape)
    plain = exported.run(images.numpy().astype(np.uint8))[exported.logits.name]
    moved = exported.run(torch.roll(images, (1, 0), (2, 3)).numpy().astype(np.uint8))[exported.logits.name]
    assert (plain != moved).any(axis=1).all()


@pytest.mark.parametrize("last", [True, False])
def test_a_circular_convolution_has_torchs_numbers_and_gradients(last):
    torch.manual_seed(0)
    mine = CircularConv2d(3, 4, (3, 5), (1, 2), (1, 2), bias=False).double()
    theirs = nn.Conv2d(3, 4, (3, 5), (1, 2), (1, 2), bias=False, padding_mode="circular").double()
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 3, 4, 6).double()
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    found = []
    for layer in (mine, theirs):
        image = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = layer(image)
        y.square().sum().backward()
        found.append((y, image.grad, layer.weight.grad))
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))


def zero_padded():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), Polyphase())


def signed():
    layers = (nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8), Polyphase(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(8, 10))


def layer(channels, *, stride=1, padding=1):
    conv = nn.Conv2d(channels, 8, 3, stride, padding, bias=False, padding_mode="circular")
    return conv, nn.BatchNorm2d(8), nn.ReLU()


def shifted_unevenly(*between):
    return nn.Sequential(*layer(1), *between, Polyphase(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def squares():
    layers = (nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Polyphase(2), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 10))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Polyphase(3), ValueError, "has the norms 1 and 2, got 3"),
        (lambda: Polyphase()(torch.zeros(1, 1, 4, 5)), ValueError, "needs even sides, got 4 x 5"),
        (lambda: Polyphase()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)), ValueError, r"the guide is \(2, 2\)"),
        (lambda: CircularMaxPool(1), ValueError, "window must be 2 or more, got 1"),
        (lambda: PolyphaseBlock(8, 8, 3), ValueError, "stride 1 or 2, got 3"),
        (lambda: build_model("resnet8_aps", (3, 30, 32), 10), ValueError, "sides divisible by 4, got 30 x 32"),
        (lambda: build_model("invariant_addressnet", (3, 32, 6), 10), ValueError, "sides divisible by 4, got 32 x 6"),
        (lambda: InvariantAddressNet((3, 8, 8), 10, width=12), ValueError, "width must be a multiple of 8"),
        (
            lambda: CifarResNet((3, 8, 8), 10, block=PolyphaseBlock),
            ValueError,
            "'stem' pads with zeros, so",
        ),
        (lambda: check_circular(zero_padded()), ValueError, "layer '0' pads with zeros, so the network would not be"),
        (lambda: check_circular(nn.Sequential(AddressShift(), Polyphase())), ValueError, "layer '0' pads with zeros"),
        (lambda: check_circular(nn.Sequential(nn.MaxPool2d(3, 1, 1), Polyphase())), ValueError, "'0' pads with zeros"),
        (lambda: convert(zero_padded(), image=FORMAT), UnsupportedModelError, "layer '0' pads with zeros"),
        (lambda: convert(shifted_unevenly(nn.MaxPool2d(2)), image=FORMAT), UnsupportedModelError, "'3' pools windows"),
        (lambda: convert(shifted_unevenly(nn.AvgPool2d(2)), image=FORMAT), UnsupportedModelError, "'3' pools windows"),
        (
            lambda: convert(shifted_unevenly(*layer(8, stride=2)), image=FORMAT),
            UnsupportedModelError,
            "'3' has a stride of 2",
        ),
        (
            lambda: convert(shifted_unevenly(*layer(8, padding=0)), image=FORMAT),
            UnsupportedModelError,
            "'3' reaches 2 pixels around the map and pads 0",
        ),
        (
            lambda: convert(nn.Sequential(*layer(1), Polyphase(), nn.Flatten(), nn.Linear(128, 10)), image=FORMAT),
            UnsupportedModelError,
            "'4' flattens a map before its global average",
        ),
        (
            lambda: convert(Pooled(lambda x: F.max_pool2d(x, 3, 1, 1)), image=FORMAT),
            UnsupportedModelError,
            "'max_pool2d",
        ),
        (lambda: Polyphase()(torch.zeros(1, 4, 4)), ValueError, "needs even sides, got 4"),
        (lambda: CircularMaxPool()(torch.zeros(1, 4, 4)), ValueError, "needs maps .* got 3 dimensions"),
        (lambda: CircularConv2d(1, 1, 3, padding_mode="zeros"), ValueError, "wraps around, got padding_mode 'zeros'"),
        (
            lambda: CircularConv2d(1, 1, 3, padding=1)(torch.zeros(1, 4, 4)),
            ValueError,
            "needs maps .* got 3 dimensions",
        ),
        (lambda: convert(signed(), image=FORMAT), UnsupportedModelError, "measures a map of signed numbers"),
        (lambda: convert(squares(), image=FORMAT), UnsupportedModelError, "measures the norm l2, supported is l1"),
    ],
)
def test_what_would_not_be_invariant_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()

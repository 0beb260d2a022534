"""Fake-quantised evaluation = integer reference = numpy reference, on every stored activation."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hw.devices import ECP5_85
from hw.graph import load, save
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from s3train import TensorFormat, convert, export
from s3train.data import load_digits
from s3train.formats import UnsupportedModelError
from s3train.integer import IntegerModel
from s3train.models import build_model

FORMATS = {"unsigned": TensorFormat(5, 0, 4), "signed": TensorFormat(8, 128, 7)}


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False), nn.BatchNorm2d(8),
            nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
            nn.AvgPool2d(3, 3), nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Linear(12, 10)

    def forward(self, x):
        return self.classifier(self.layers(x))


class OneDimensional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 8, 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm1d(8)
        self.conv2 = nn.Conv1d(8, 8, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(8)
        self.classifier = nn.Linear(8 * 32, 10)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)) + y)
        return self.classifier(y.flatten(1))


class Branches(nn.Module):
    """Concatenations of convolutions, of a pool, and of concatenations."""

    def __init__(self, last=nn.ReLU):
        super().__init__()

        def layer(before, after, kernel, end=nn.ReLU):
            conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(after), end())

        self.a, self.b, self.c, self.d = layer(1, 16, 3), layer(1, 8, 1), layer(24, 16, 1), layer(24, 3, 3, last)
        self.between, self.pool = nn.MaxPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(43, 10)

    def forward(self, x):
        y = torch.cat([self.a(x), self.b(x)], 1)
        inner = torch.concat([self.between(self.c(y)), self.d(y)], dim=1)
        return self.classifier(self.pool(torch.cat((y, inner), 1)).flatten(1))


def trained(model, fmt, images, bits=3, **options):
    """A few steps at a high rate: every parameter has moved, some factors are negative."""
    torch.manual_seed(1)
    network = convert(model, image=fmt, bits=bits, **options)
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    for _ in range(4):
        loss = network(images).square().mean() * 1e-3
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            parameter.data[::3] *= -1
    return network.eval()


def check(network, fmt, shape, images):
    exported = export(network, fmt, shape)
    stored = exported.run(images.numpy().astype(np.uint8).reshape(len(images), *exported.tensor("image").shape))
    integer = IntegerModel(network, fmt).run(images)
    real = (images.double() - fmt.zero_point) * 2.0**-fmt.exponent
    evaluated = {}
    interpreter = torch.fx.Interpreter(network)
    original = interpreter.run_node

    def keep(node):
        evaluated[node.name] = original(node)
        return evaluated[node.name]

    interpreter.run_node = keep
    with torch.no_grad():
        interpreter.run(real.float())
    compared = 0
    for node in exported.nodes:
        values = integer[node.name]
        got = stored[node.output]
        assert np.array_equal(values.numpy().reshape(got.shape), got), node.name
        tensor = exported.tensors.get(node.output)
        exponent, zero = (tensor.exponent, tensor.zero_point) if tensor else (node.exponent, 0)
        fake = evaluated[node.name].double() * 2.0**exponent + zero
        assert torch.equal(fake.reshape(got.shape), torch.from_numpy(got).double()), node.name
        compared += got.size
    assert compared > 100


@pytest.mark.parametrize("sign", FORMATS)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_residual_network_is_the_same_on_real_images(sign, bits):
    fmt = FORMATS[sign]
    images = load_digits().test_images[:30].long() + (120 if fmt.zero_point else 0)
    real = (images.float() - fmt.zero_point) * 2.0**-fmt.exponent
    network = trained(build_model("small_resnet", (1, 8, 8), 10), fmt, real, bits)
    extreme = torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), fmt.maximum)]).long()
    check(network, fmt, (1, 8, 8), torch.cat([images, extreme]))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (build_model("mlp", (1, 8, 8), 10), (1, 8, 8)),
        (build_model("small_resnet", (1, 28, 28), 10), (1, 28, 28)),
        (Depthwise(), (1, 8, 8)),
        (OneDimensional(), (1, 64)),
        (Branches(), (1, 8, 8)),
    ],
    ids=["mlp", "with max pool", "depthwise and a window that is no power of two", "one-dimensional", "concatenations"],
)
def test_other_networks_are_the_same(model, shape):
    fmt = TensorFormat(8, 0, 8)
    images = torch.randint(0, 256, (8, *shape))
    check(trained(model, fmt, images.float() / 256), fmt, shape, images)


class Shortcut(nn.Module):
    """Two branches that are added, computed in an order of the test's own."""

    def __init__(self, forward):
        super().__init__()

        def layer():
            return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))

        self.a, self.b = layer(), layer()
        self.between, self.pool = nn.MaxPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(16, 10)
        self.of = forward

    def forward(self, x):
        return self.classifier(self.pool(self.of(self, x)).flatten(1))


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: m.a(x) + torch.relu(m.b(x)),
        lambda m, x: torch.relu(m.a(x)) + m.b(x),
        lambda m, x: torch.relu(torch.relu(m.b(x)) + m.a(x)),
        lambda m, x: torch.relu(m.a(x) + m.between(torch.relu(m.b(x)))),
        lambda m, x: torch.relu(m.a(x) + m.b(x)),
        lambda m, x: torch.relu(m.between(m.b(x)) + m.a(x)),
    ],
)
def test_a_shortcut_may_come_before_or_behind_its_branch(forward):
    fmt = TensorFormat(8, 0, 8)
    images = torch.randint(0, 256, (8, 1, 8, 8))
    check(trained(Shortcut(forward), fmt, images.float() / 256), fmt, (1, 8, 8), images)


def test_concatenated_tensors_share_their_quantiser_also_in_a_kept_run(tmp_path):
    fmt = TensorFormat(8, 0, 8)
    images = torch.rand(8, 1, 8, 8)
    network = trained(Branches(), fmt, images)
    formats = {name: block.quantizer.format for name, block in network.named_children() if name.endswith("_block")}
    assert len(formats) == 4 and len(set(formats.values())) == 1
    graph = export(network, fmt, (1, 8, 8))
    save(graph, tmp_path / "branches.s3net")
    again = load(tmp_path / "branches.s3net")
    stored = np.zeros((1, 1, 8, 8), np.uint8) + 77
    assert np.array_equal(again.run(stored)["classifier_logits"], graph.run(stored)["classifier_logits"])
    config = choose_config([graph], ECP5_85)
    layouts = compile_network(graph, config).layouts
    at = {name.removesuffix("_block.out"): layout for name, layout in layouts.items()}
    whole = at["cat_1.out"].base
    assert [at[n].base - whole for n in ("a_0", "b_0", "cat.out")] == [0, 2, 0]
    assert at["concat.out"].base - whole == 3 and at["d_0"].base - whole == 5
    assert {at[n].pixel for n in ("a_0", "b_0", "d_0", "cat.out", "concat.out", "cat_1.out")} == {6}


def test_four_bit_activations_and_one_term_are_the_same():
    fmt = TensorFormat(5, 0, 4)
    images = load_digits().test_images[:20].long()
    network = trained(build_model("small_resnet", (1, 8, 8), 10), fmt, images.float() / 16, activation_bits=4, terms=1)
    check(network, fmt, (1, 8, 8), images)


def test_the_integer_reference_makes_no_float_tensor():
    fmt = TensorFormat(5, 0, 4)
    images = load_digits().test_images[:4]
    network = trained(build_model("small_resnet", (1, 8, 8), 10), fmt, images.float() / 16)
    reference = IntegerModel(network, fmt)

    class NoFloat(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for value in out if isinstance(out, tuple | list) else [out]:
                assert not (isinstance(value, torch.Tensor) and value.is_floating_point()), func
            return out

    with NoFloat():
        reference.run(images)


class Gelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.GELU()
        self.classifier = nn.Linear(8, 10)

    def forward(self, x):
        return self.classifier(self.act(self.bn(self.conv(x))).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Gelu(), "act: GELU is unsupported"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)), "0: a batch norm"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2, bias=False), nn.BatchNorm2d(4)), "0: dilation"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()), "last layer must be a Linear"),
        (nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)), "0: ReLU is supported only behind a layer with"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 2)), "0: BatchNorm2d is supported only behind"),
        (Branches(nn.Identity), "concat: concatenates tensors with and without a ReLU"),
    ],
)
def test_an_unsupported_part_is_named(model, message):
    with pytest.raises(UnsupportedModelError, match=message):
        convert(model, image=TensorFormat(8, 0, 8))


def test_a_layer_that_stays_float_cannot_be_exported():
    network = convert(build_model("mlp", (1, 8, 8), 10), image=TensorFormat(8, 0, 8), skip=("classifier",))
    with pytest.raises(UnsupportedModelError):
        export(network, TensorFormat(8, 0, 8), (1, 8, 8))

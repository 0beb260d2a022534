"""Networks of other people, converted as they are."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hw.devices import ECP5_85
from s3train import TensorFormat, convert, export
from s3train.formats import UnsupportedModelError
from s3train.layers import ShiftBlock
from tests.foreign_models import FOREIGN
from tests.train.test_export import check, trained

FORMAT = TensorFormat(8, 0, 8)


def converted(name):
    make, shape, options = FOREIGN[name]
    torch.manual_seed(0)
    images = torch.randint(0, 256, (8, *shape))
    return trained(make(), FORMAT, images.float() / 256, **options), shape, images


@pytest.mark.parametrize("name", FOREIGN)
def test_every_stored_number_is_the_same_in_torch_and_numpy(name):
    network, shape, images = converted(name)
    check(network, FORMAT, shape, images)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_function_of_a_model_is_not_changed_by_its_normal_form(name):
    from s3train.convert import trace
    from s3train.normal_form import normalise

    make, shape, _ = FOREIGN[name]
    model = make().eval()
    images = torch.rand(4, *shape)
    graph = trace(model)
    normalise(graph)
    assert torch.equal(graph.eval()(images), model(images))


def test_dropout_ends_with_the_training():
    model = FOREIGN["functional"][0]().train()
    network = convert(model, image=FORMAT)
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.1]
    images = torch.rand(4, 3, 8, 8)
    network(images)
    network.eval()
    assert torch.equal(network(images), network(images))


def test_a_layer_without_a_batch_norm_gets_one_that_begins_with_its_bias():
    model = FOREIGN["vgg"][0]()
    with pytest.raises(UnsupportedModelError, match=r"^0: a batch norm must follow, .* add_norms=True adds one$"):
        convert(model, image=FORMAT)
    network = convert(model, image=FORMAT, add_norms=True)
    blocks = [module for module in network.children() if isinstance(module, ShiftBlock)]
    biases = [layer.bias for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(blocks) == 3 and all(torch.equal(b.beta, bias) for b, bias in zip(blocks, biases, strict=False))
    assert all(torch.equal(b.gamma, torch.ones_like(b.gamma)) for b in blocks)


class Keyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(input=functional.relu(input=self.bn(input=self.conv(input=x))).flatten(start_dim=1))


def test_a_layer_may_be_given_its_input_by_name():
    images = torch.randint(0, 256, (24, 3, 8, 8))
    check(trained(Keyword(), FORMAT, images.float() / 256), FORMAT, (3, 8, 8), images)


class Head(nn.Module):
    def __init__(self, between):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.between = between

    def forward(self, x):
        return self.fc(self.between(self.bn(self.conv(x))))


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (lambda x: x.mean(1), r"^mean: a mean over dimensions 1, supported is one over height and width, \(2, 3\)$"),
        (lambda x: torch.mean(x), "^mean: a mean over dimensions None, supported is"),
        (lambda x: x.mean((2, 3), dtype=torch.double), "^mean: a mean over dimensions"),
        (
            lambda x: x.flatten(),
            r"^flatten: flattens dimensions 0 to -1, supported are all but the first: ",
        ),
        (lambda x: torch.flatten(x, 2), "^flatten: flattens dimensions 2 to -1"),
        (lambda x: x.view(x.size(0), 4, -1), r"^view: a view as 3 dimensions, supported is \(images, -1\), which"),
        (lambda x: x.reshape(8, 32), "^reshape: a view as 2 dimensions, supported is"),
        (lambda x: functional.max_pool2d(x, 2, 2, 0, 2), "^max_pool2d: max pool with dilation or ceil_mode"),
        (
            lambda x: functional.max_pool2d(x, 2, return_indices=True),
            "^max_pool2d_with_indices: ",
        ),
        (lambda x: functional.adaptive_avg_pool2d(x, 2), "^adaptive_avg_pool2d: adaptive pool to 2, supported is 1$"),
        (lambda x: functional.gelu(x), "^gelu: gelu is unsupported, supported are Conv1d, "),
        (lambda x: x.add(1), "^add: adds a constant, supported are additions of two branches$"),
        (lambda x: x.transpose(2, 3), "^transpose: transpose is unsupported"),
    ],
)
def test_an_unsupported_function_is_named(between, message):
    with pytest.raises(UnsupportedModelError, match=message):
        convert(Head(between), image=FORMAT)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] * (name != "functional")) for name in FOREIGN]
)
def test_their_logits_are_the_same_in_the_gateware(name, tmp_path):
    from hw.systolic.build import generate
    from sim.check import check_build

    network, shape, images = converted(name)
    build = generate(export(network, FORMAT, shape), "ulx3s_85f", ECP5_85, tmp_path / "build")
    size = build.compiled.network.tensor("image").shape
    result = check_build(build, images[:3].numpy().astype("uint8").reshape(3, *size), tmp_path / "cache")
    assert result.ok and result.images == 3, result

"""Shift-and-balance attention: the layer, λ as a power of two, tanh as a table, the same in integers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from hw.graph import Balance as BalanceNode
from hw.graph import Table as TableNode
from s3train import TensorFormat, convert, export
from s3train.formats import UnsupportedModelError
from s3train.layers import ActivationQuantizer, Balance, ShiftAndBalance, ShiftBalance, TanhTable
from s3train.lightning_module import TrainingModule
from s3train.models import build_model
from s3train.models.attention_block import balanced_block
from s3train.models.cifar_resnet import CifarResNet
from s3train.recipe import choose_recipe
from tests.train.test_export import check, trained

FORMAT = TensorFormat(8, 0, 8)


def network(last=nn.ReLU):
    """A block with attention whose λ is not 0, and another that reads it."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = CifarResNet((1, 8, 8), 10, widths=(8, 12, 16), block=balanced_block)
            for layer in self.net.modules():
                if isinstance(layer, Balance):
                    layer.balance.data.copy_(torch.linspace(-3, 3, len(layer.balance)) ** 3 / 9)
                if isinstance(layer, ShiftAndBalance):
                    layer.relu = last()

        def forward(self, x):
            return self.net(x)

    return Net()


def test_it_starts_as_identity_behind_a_relu_and_learns_at_once():
    layer, x = ShiftAndBalance(8), torch.rand(4, 8, 3, 3)
    y = layer(x)
    assert torch.equal(y, x)
    (y - 2 * x).square().sum().backward()
    assert (layer.balance.balance.grad != 0).all()


def test_it_adds_what_its_formula_says():
    torch.manual_seed(0)
    layer, x = ShiftAndBalance(8).eval(), torch.rand(4, 8, 3, 3)
    layer.balance.balance.data.normal_()
    hidden = torch.relu(layer.squeeze[1](layer.squeeze[0](x.mean(dim=(2, 3), keepdim=True))))
    attention = torch.tanh(layer.excite[1](layer.excite[0](hidden)))
    want = torch.relu(x + layer.balance.balance.view(1, 8, 1, 1) * attention)
    assert torch.allclose(layer(x), want, atol=1e-6)


def test_lambda_is_rounded_to_the_nearest_power_of_two_or_zero():
    balance = Balance(9)
    balance.balance.data = torch.tensor([0.0, 1.0, -1.0, 0.76, 0.75, -3.1, 100.0, 2**-7, -0.0079])
    sign, exponent = ShiftBalance(balance, 8, signed=False).factor()
    assert sign.tolist() == [0, 1, -1, 1, 1, -1, 1, 0, -1]
    assert [e for e, s in zip(exponent.tolist(), sign.tolist(), strict=True) if s] == [0, 0, 0, -1, 2, 2, -6]


def test_tanh_is_a_table_with_tanhs_gradient():
    table = TanhTable(8)
    stored = np.floor(np.tanh((np.arange(256) - 128) / 32) * 128 + 0.5) + 128
    assert table.table.tolist() == np.clip(stored, 0, 255).tolist()
    assert table.table[[0, 128, 255]].tolist() == [0, 128, 255]
    x = ((torch.arange(256) - 128) / 32).requires_grad_()
    y = table.train()(x)
    y.sum().backward()
    assert torch.allclose(x.grad, 1 - torch.tanh(x) ** 2, atol=1e-6) and torch.allclose(y, torch.tanh(x), atol=1 / 128)
    assert torch.equal(table.eval()(x) * 128 + 128, table.table.float())


@pytest.mark.parametrize("last", [nn.ReLU, nn.Identity], ids=["ReLU", "signed"])
@pytest.mark.parametrize("bits", [8, 4])
def test_attention_is_the_same_in_training_integers_and_numpy(last, bits):
    shape = (1, 8, 8)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, *shape))
    model = trained(network(last), FORMAT, images.float() / 256, activation_bits=bits)
    check(model, FORMAT, shape, images)
    exported = export(model, FORMAT, shape)
    balances = [node for node in exported.nodes if isinstance(node, BalanceNode)]
    assert len(balances) == 3 and all(node.sign.any() for node in balances)
    zero = 0 if last is nn.ReLU else 1 << bits - 1
    assert all(exported.tensor(node.output).zero_point == zero for node in balances)
    tables = [node.table for node in exported.nodes if isinstance(node, TableNode)]
    assert len(tables) == 3 and all(np.array_equal(table, tables[0]) for table in tables)
    # Attention moves what is stored, not only what might be.
    stored = exported.run(images.numpy().astype(np.uint8))
    assert any((stored[node.output] != stored[node.residual]).any() for node in balances)


def test_training_leaves_the_grid_of_the_table_alone():
    model = convert(network(), image=FORMAT)
    module = TrainingModule(model, choose_recipe("digits"), 10)
    module._trainer = SimpleNamespace(estimated_stepping_batches=10, global_step=0)
    module.on_train_batch_start(None, 0)
    quantizers = [m for m in model.modules() if isinstance(m, ActivationQuantizer)]
    fixed = [m for m in quantizers if not m.learned]
    assert len(fixed) == 3 and len(quantizers) > 6
    assert all(m.latent_exponent.requires_grad == m.learned for m in quantizers)
    assert all(m.format == TensorFormat(8, 128, 5) for m in fixed)


def test_a_trained_lambda_is_taken_over():
    float_model = network()
    wanted = [layer.balance.detach().clone() for layer in float_model.modules() if isinstance(layer, Balance)]
    model = convert(float_model, image=FORMAT)
    found = [layer.balance.detach() for layer in model.modules() if isinstance(layer, ShiftBalance)]
    assert len(found) == 3 and all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def tanh_behind_relu():
    layers = (nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Tanh(), nn.Flatten(), nn.Linear(512, 10))
    return nn.Sequential(*layers)


class Twice(nn.Module):
    """Two branches through one tanh, or one branch concatenated as well, before or behind it."""

    def __init__(self, kind):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.one, self.two = (nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8)) for _ in range(2))
        self.tanh, self.kind = nn.Tanh(), kind
        self.parts = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)) for _ in range(2))
        self.last = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, image):
        x = self.stem(image)
        one, two = self.one(x), self.two(x)
        if self.kind == "twice":
            both = torch.cat([part(self.tanh(x)) for part, x in zip(self.parts, (one, two), strict=True)], 1)
        elif self.kind == "before":
            joined = torch.cat([two, one], 1)
            both = joined + 0 * self.tanh(one).repeat(1, 2, 1, 1)
        else:
            again = self.tanh(one)
            both = torch.cat([two, one], 1) + 0 * again.repeat(1, 2, 1, 1)
        return self.classifier(self.pool(self.last(both)).flatten(1))


class Named(nn.Module):
    """A balance whose arguments are named, or that is used twice."""

    def __init__(self, *, again=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.mean, self.excite = nn.AdaptiveAvgPool2d(1), nn.Sequential(
            nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Tanh()
        )  # fmt: skip
        self.balance, self.relu, self.again = Balance(8), nn.ReLU(), again
        self.balance.balance.data.fill_(1.0)
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, image):
        x = self.stem(image)
        a = self.excite(self.mean(x))
        x = self.relu(self.balance(a=a, x=x))
        x = self.relu(self.balance(x, a)) if self.again else x
        return self.classifier(self.pool(x).flatten(1))


@pytest.mark.parametrize("make", [lambda: Twice("twice"), Named])
def test_a_tanh_may_be_used_twice_and_arguments_may_be_named(make):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, 1, 8, 8))
    check(trained(make(), FORMAT, images.float() / 256), FORMAT, (1, 8, 8), images)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: convert(Twice("before"), image=FORMAT), UnsupportedModelError, "tanh: reads what is concatenated too"),
        (lambda: convert(Twice("behind"), image=FORMAT), UnsupportedModelError, "cat: concatenates what a tanh reads"),
        (lambda: convert(Named(again=True), image=FORMAT), UnsupportedModelError, "balance: is used twice, supported"),
        (
            lambda: convert(network(), image=FORMAT).train()(torch.rand(1, 1, 8, 8)),
            ValueError,
            "a batch of one image has one number a channel here",
        ),
        (lambda: ShiftAndBalance(1), ValueError, "needs 2 channels or more, got 1"),
        (
            lambda: ShiftAndBalance(4)(torch.rand(1, 4, 2, 2)),
            ValueError,
            "needs two images a batch or more in training",
        ),
        (
            lambda: convert(tanh_behind_relu(), image=FORMAT),
            UnsupportedModelError,
            "3: tanh is supported behind a",
        ),
        (
            lambda: convert(build_model("resnet8_se", (3, 32, 32), 10), image=FORMAT),
            UnsupportedModelError,
            "Sigmoid is unsupported",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()

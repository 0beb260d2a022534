"""A network that is not on the processor: no operation meets a tensor of the processor."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from s3train import TensorFormat, convert, export
from s3train.convert import convert_weights
from s3train.data import load_digits
from s3train.evaluation import accuracy, integer_evaluation
from s3train.layers import round_factor
from s3train.lightning_module import TrainingModule
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.register_method import register_weight_method
from s3train.reparam import METHODS, weight_methods
from s3train.watch import Watch
from tests.train.other_device import DEVICE, Elsewhere, move, other_device

IMAGE = TensorFormat(5, 0, 4)
ALL = [(name, bits, {}) for name, method in METHODS.items() for bits in method.BITS]
ALL += [(name, 3, {"from_weights": True}) for name in ("s3", "denseshift", "deepshift_ps")]


def test_the_other_device_refuses_tensors_of_the_processor():
    with other_device():
        x = Elsewhere(torch.arange(3.0))
        assert (x + torch.tensor(1.0)).held.tolist() == [1, 2, 3]
        assert torch.arange(3, device=x.device).device == DEVICE and (x * 2).cpu().tolist() == [0, 2, 4]
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            x + torch.ones(3)


def test_a_factor_is_rounded_where_it_is():
    assert round_factor(torch.rand(8, device="meta")).e.device.type == "meta"


@pytest.mark.parametrize(("name", "bits", "options"), ALL)
def test_a_method_is_registered_and_trained_where_its_layer_is(name, bits, options):
    layer = move(nn.Conv2d(3, 4, 3))
    with other_device():
        register_weight_method(layer, name, bits, **options)
        assert {p.device for p in layer.parameters()} == {DEVICE}
        layer(Elsewhere(torch.rand(2, 3, 5, 5))).square().sum().backward()
        assert layer.parametrizations.weight.original.grad.held.any()


@pytest.mark.parametrize(
    ("model", "bits", "activation_bits"),
    [("small_resnet", 2, 8), ("small_resnet", 2, 32), ("resnet8_sb", 3, 8), ("resnet8_aps", 3, 4)],
)
def test_a_network_trains_and_is_measured_where_it_is(model, bits, activation_bits):
    data = load_digits()
    data = replace(data, test_images=data.test_images[:16], test_labels=data.test_labels[:16])
    torch.manual_seed(0)
    network = build_model(model, data.shape, 10)
    integer = activation_bits <= 8
    if integer:
        network = convert(network, "s3", bits, image=data.format, activation_bits=activation_bits)
    else:
        network = convert_weights(network, "s3", bits)
    recipe = choose_recipe("digits")
    module = TrainingModule(network.train(), recipe, 10)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    module.log = lambda *_, **__: None
    watch = Watch(network)
    images, labels = data.real(data.train_images[:16]), data.train_labels[:16]
    move(module)
    with other_device():
        optimizer = torch.optim.SGD(module.parameters(), 0.01, momentum=0.9)
        for _ in range(2):
            module.training_step((Elsewhere(images), Elsewhere(labels)), 0).backward()
            optimizer.step()
        assert all(0 <= row["sign_flips"] <= 1 for row in watch.layers(network).values())
        assert watch.gradients(network)
        if integer:
            assert integer_evaluation(network, data)[2] == 0
        else:
            assert 0 <= accuracy(network, data) <= 1
    assert any(not torch.equal(value.held, start[name]) for name, value in network.state_dict().items())


def test_a_network_on_another_device_is_converted_there_and_exported():
    with other_device():
        network = convert(move(build_model("resnet8_sb", (1, 8, 8), 10)), image=IMAGE)
        assert {value.device for value in network.state_dict().values()} == {DEVICE}
        assert len(export(network, IMAGE, (1, 8, 8)).nodes) > 10
        assert all(layer.weight.device == DEVICE for _, layer, _, _ in weight_methods(network))

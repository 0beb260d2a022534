"""DeepShift-Q and -PS: values, scales of the start, decay of the power, gradients."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hw.graph import Alphabet
from s3train.convert import convert_weights, register_weight_method
from s3train.lightning_module import TrainingModule
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.reparam import DeepShiftPS, DeepShiftQ, power_decay, weight_methods


def test_deepshift_q_rounds_the_logarithm():
    weight = torch.tensor([[-2.0, -0.7, -0.3, 0.01, 0.0, 0.2, 0.36, 0.9]])
    assert DeepShiftQ(3)(weight).tolist() == [[-8, -4, -2, 1, 1, 2, 4, 8]]


@pytest.mark.parametrize("bits", DeepShiftQ.BITS)
def test_deepshift_qs_gradient_is_passed_straight_through(bits):
    torch.manual_seed(bits)
    # Also where the magnitude is clamped, to 1 or to the smallest one.
    weight = torch.randn(40, 40, dtype=torch.float64).mul_(2).requires_grad_()
    g = torch.randn_like(weight)
    (DeepShiftQ(bits)(weight) * g).sum().backward()
    assert torch.equal(weight.grad, g)


@pytest.mark.parametrize("bits", DeepShiftQ.BITS)
def test_deepshift_q_starts_with_a_scale_for_every_channel(bits):
    torch.manual_seed(bits)
    values = torch.tensor([float(v) for v in Alphabet.parse(DeepShiftQ(bits).alphabet).values])
    layer = nn.Conv2d(10, 16, 3, bias=False)
    wanted = values[torch.randint(0, len(values), layer.weight.shape)]
    sizes = torch.logspace(-3, 2, 16).view(-1, 1, 1, 1)
    layer.weight.data = wanted * sizes
    register_weight_method(layer, "deepshift_q", bits)
    assert torch.equal(layer.weight, wanted)
    # It is a constant: the weights then move in its units.
    layer.parametrizations.weight.original.data = values.max() * sizes.expand_as(wanted).clone()
    assert (layer.weight == values.max()).all()
    layer.weight.sum().backward()
    assert (layer.parametrizations.weight.original.grad == 1).all()


def test_few_weights_of_a_float_network_start_as_deepshift_qs_smallest_ones():
    torch.manual_seed(0)
    layers = {"q": nn.Conv2d(16, 32, 3), "s3": nn.Conv2d(16, 32, 3)}
    nn.init.kaiming_normal_(layers["q"].weight)
    layers["s3"].weight.data = layers["q"].weight.detach().clone()
    register_weight_method(layers["q"], "deepshift_q", 3)
    register_weight_method(layers["s3"], "s3", 3, from_weights=True)
    smallest = {name: float((layer.weight.abs() <= 1).float().mean()) for name, layer in layers.items()}
    assert smallest["q"] < 0.5 and smallest["q"] < smallest["s3"] + 0.1


def test_a_state_of_deepshift_q_without_scales_can_be_loaded():
    layer = nn.Linear(4, 3)
    register_weight_method(layer, "deepshift_q", 3)
    state = layer.state_dict()
    del state["parametrizations.weight.0.scale"]
    state["parametrizations.weight.original"] = torch.full((3, 4), 0.5)
    layer.load_state_dict(state)
    assert (layer.weight == 4).all()
    dead = nn.Linear(4, 3)
    dead.weight.data.zero_()
    register_weight_method(dead, "deepshift_q", 3)
    assert (dead.weight == 1).all()


def test_deepshift_pss_decay_is_of_the_power_and_not_of_the_shift():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    register_weight_method(network[0], "deepshift_ps", 3)
    latents = network[0].parametrizations.weight.original
    power_decay(network).backward()
    shift, sign = latents.detach()
    # The decay's gradient per unit of weight decay: ½·∂(2^shift)²/∂shift, and the sign itself.
    assert torch.allclose(latents.grad, torch.stack([math.log(2.0) * 4.0**shift, sign]))
    assert power_decay(network[1]) == 0


@pytest.mark.parametrize("decay", [0.0, 0.125])
def test_a_training_decays_the_power(decay):
    torch.manual_seed(0)
    network = convert_weights(build_model("mlp", (1, 8, 8), 10), "deepshift_ps", 3).train()
    module = TrainingModule(network, choose_recipe("digits", "deepshift_ps", weight_decay=decay), 10)
    module.log = lambda *_, **__: None
    module.trainer = SimpleNamespace(estimated_stepping_batches=10, global_step=0)
    batch = torch.rand(8, 1, 8, 8), torch.arange(8)
    with torch.no_grad():
        plain = torch.nn.functional.cross_entropy(module(batch[0]), batch[1], label_smoothing=module.recipe.smoothing)
        wanted = plain + decay * power_decay(network)
        assert torch.allclose(module.training_step(batch, 0), wanted) and power_decay(network) > 1
    kept = {id(latents) for *_, latents in weight_methods(network)}
    for group in module.configure_optimizers()["optimizer"].param_groups:
        if any(id(p) in kept for p in group["params"]):
            assert group["weight_decay"] == 0 and group["initial_lr"] == module.recipe.latent_lr


def test_deepshift_ps_has_a_zero_and_its_closed_form():
    method = DeepShiftPS(3)
    parameters = torch.tensor([[-5.0, -1.6, -0.4, 0.7, -1.0], [1.0, -0.6, 0.4, 0.9, -0.5]], dtype=torch.float64)
    assert method(parameters).tolist() == [1, -1, 0, 4, 0]
    parameters.requires_grad_()
    method(parameters).sum().backward()
    power = torch.tensor([0.25, 0.25, 1.0, 1.0, 0.5], dtype=torch.float64)
    signs = torch.tensor([1.0, -1, 0, 1, 0], dtype=torch.float64)
    assert torch.allclose(parameters.grad[0], signs * power * math.log(2.0))
    assert parameters.grad[1].tolist() == [1] * 5

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from s3train.layers.activation_quantizer import straight_through
from s3train.reparam import S3, dense_weight_regularizer
from s3train.reparam.s3 import s3_weight


def composed(latents):
    """The definition, step by step, with straight-through step functions."""

    def step(v):
        return straight_through(v, (v > 0).to(v.dtype))

    sign = straight_through(latents[0], torch.where(latents[0] >= 0, 1.0, -1.0).to(latents.dtype))
    run = torch.zeros_like(latents[0])
    for latent in latents[2:]:
        run = step(latent) * (run + 1)
    return sign * step(latents[1]) * torch.exp2(run)


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_weights_and_gradient_are_those_of_the_definition(bits):
    torch.manual_seed(bits)
    latents = torch.randn(2 + 2 ** (bits - 1) - 2, 400, dtype=torch.float64)
    latents[:, :3] = 0.0
    a, b = latents.clone().requires_grad_(), latents.clone().requires_grad_()
    out = torch.randn(400, dtype=torch.float64)
    ours, theirs = s3_weight(a), composed(b)
    assert torch.equal(ours, theirs)
    (ours * out).sum().backward()
    (theirs * out).sum().backward()
    assert torch.allclose(a.grad, b.grad, rtol=1e-12, atol=1e-12)


def test_the_shift_is_the_run_of_positive_latents_that_ends_at_the_last():
    latents = torch.tensor([[1.0, 1, 1, 1, -1, 1], [1, 1, 1, 1, 1, -1], [-1, 1, 1, -1, 1, 1], [-1, -1, 1, 1, 1, 1]])
    assert s3_weight(latents).tolist() == [1, 1, 4, 2, -4, 0]


def test_a_shut_gate_gives_plus_zero():
    weight = s3_weight(torch.tensor([[-1.0], [-1.0]]))
    assert weight.item() == 0 and not torch.signbit(weight).item()


@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv1d(3, 4, 3), nn.Conv2d(3, 4, 3)])
def test_every_layer_takes_it_and_the_state_can_be_saved(layer):
    parametrize.register_parametrization(layer, "weight", S3(3))
    values = set(layer.weight.detach().unique().tolist())
    assert values <= {-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0}
    before = layer.weight.detach().clone()
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.parametrizations.weight.original.data.normal_()
    layer.load_state_dict(state)
    assert torch.equal(layer.weight, before)
    layer.weight.sum().backward()
    assert layer.parametrizations.weight.original.grad is not None


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_start_from_float_weights_finds_the_nearest_values(bits):
    layer = nn.Linear(8, 8, bias=False)
    levels = [0.0] + [2.0**k for k in range(2 ** (bits - 1) - 1)]
    wanted = torch.tensor(levels)[torch.randint(0, len(levels), (8, 8))]
    wanted = wanted * torch.where(torch.rand(8, 8) < 0.5, -1.0, 1.0)
    scale = 2.0 ** torch.tensor(levels[1:]).log2().mean() / wanted.abs().mean()
    # Scaled so that the mean magnitude is where the inverse puts it.
    layer.weight.data = wanted * scale
    parametrize.register_parametrization(layer, "weight", S3(bits, from_weights=True))
    found = layer.weight.detach()
    assert torch.equal(torch.sign(found)[found != 0], torch.sign(wanted)[found != 0])
    order = wanted.abs().flatten().argsort()
    assert torch.equal(found.abs().flatten()[order].sort().values, found.abs().flatten()[order])


def test_the_regulariser_is_the_sum_of_shut_gates():
    layer = nn.Linear(2, 2, bias=False)
    parametrize.register_parametrization(layer, "weight", S3(3))
    latents = layer.parametrizations.weight.original
    latents.data[1] = torch.tensor([[-0.5, 0.25], [-0.25, 1.0]])
    loss = dense_weight_regularizer(layer)
    assert loss.item() == 0.75
    loss.backward()
    assert latents.grad[1].tolist() == [[-1, 0], [-1, 0]]


@pytest.mark.parametrize("bits", [1, 6])
def test_other_bits_are_refused(bits):
    with pytest.raises(ValueError, match="2 to 5 bits"):
        S3(bits)

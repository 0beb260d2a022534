import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from s3train.reparam import S3, dense_weight_regularizer
from s3train.reparam.s3 import s3_weight
from s3train.reparam.straight_through import straight_through


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


def test_the_regulariser_is_the_sum_of_shut_gates():
    layer = nn.Linear(2, 2, bias=False)
    parametrize.register_parametrization(layer, "weight", S3(3))
    latents = layer.parametrizations.weight.original
    latents.data[1] = torch.tensor([[-0.5, 0.25], [-0.25, 1.0]])
    loss = dense_weight_regularizer(layer)
    assert loss.item() == 0.75
    loss.backward()
    assert latents.grad[1].tolist() == [[-1, 0], [-1, 0]]

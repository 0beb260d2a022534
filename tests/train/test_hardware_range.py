"""Training keeps batch norm's factors and constants within what the output formula can hold."""

import pytest
import torch
from torch import nn

from s3train import TensorFormat, convert, export
from s3train.integer import IntegerModel
from s3train.layers import ShiftBlock, round_factor
from s3train.models import build_model
from s3train.runs import export_run
from s3train.train import train


def block(gamma, given, stored, residual=None):
    layer = nn.Linear(1, len(gamma), bias=False)
    layer.weight.data.fill_(1.0)
    source = None if residual is None else lambda: TensorFormat(8, 0, residual)
    made = ShiftBlock(layer, bits=8, source=lambda: TensorFormat(8, 0, given), residual=source)
    made.quantizer.latent_exponent.data.fill_(float(stored))
    made.gamma.data = torch.tensor(gamma)
    return made


@pytest.mark.parametrize("residual", [None, -3, 0, 4, 8])
@pytest.mark.parametrize("stored", [-4, 0, 5, 9])
@pytest.mark.parametrize("given", [-6, 0, 7, 15])
def test_no_factor_leaves_the_range_and_those_within_are_the_nearest(given, stored, residual):
    torch.manual_seed(0)
    gamma = torch.cat([torch.randn(200) * torch.exp2(torch.linspace(-30, 15, 200)), torch.zeros(1)]).tolist()
    made = block(gamma, given, stored, residual)
    integers = made.integer("block")
    for value, most in ((integers.s, 20), (integers.p, 15), (integers.k, 15)):
        assert int(value.min()) >= 0 and int(value.max()) <= most
    assert int(integers.b.abs().max()) < 1 << 31
    wanted = made.gamma.double() / (1 + made.eps) ** 0.5
    free, found = round_factor(wanted), made.factor()
    e1 = free.e - free.j + stored - given
    e2 = 0 if residual is None else stored - residual
    s = (-e1).clamp_min(max(0, -e2))
    inside = (s <= 20) & (e1 + s <= 15)
    # At the upper end, where P is more than 11, a factor may be a power of two though a sum of two terms would do.
    inside &= free.e + stored - given <= 15
    if residual is not None:
        inside &= (e2 + s <= 15) & (free.e + residual - given <= 15)
    assert inside.sum() > 20
    assert torch.equal(found.value[inside], free.value[inside])


def test_near_the_smallest_bit_the_second_term_is_coarser():
    m = torch.tensor([1.0, 1.07, 1.13, 1.25, 1.5, 1.8, 0.6, 0.1])
    assert round_factor(m, least=-1, low=-1).value.tolist() == [1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 0.5, 0.5]
    assert round_factor(m, least=-4, low=-4).value.tolist()[:6] == round_factor(m).value.tolist()[:6]


@pytest.mark.parametrize(("gamma", "beta"), [(1e-9, 0.0), (1e-9, 1e12), (200.0, 0.0), (1.0, 1e12), (1.0, -1e30)])
@pytest.mark.parametrize("exponent", [-15, 8, 15])
@torch.no_grad()
def test_an_extreme_batch_norm_is_held_and_stays_exact(gamma, beta, exponent):
    image = TensorFormat(8, 0, exponent)
    network = convert(build_model("small_resnet", (1, 8, 8), 10), image=image)
    images = torch.randint(0, 256, (4, 1, 8, 8))
    network.train()(images * 2.0**-exponent)
    for made in network.children():
        if isinstance(made, ShiftBlock):
            made.gamma.fill_(gamma), made.beta.fill_(beta)
    reference = IntegerModel(network, image)
    wanted = list(reference.run(images).values())[-1]
    assert torch.equal(network(images * 2.0**-exponent).double() * 2.0**reference.logit_exponent, wanted.double())
    assert export(network, image, (1, 8, 8)).nodes


@pytest.mark.parametrize("bits", [4, 5])
def test_a_network_with_large_weights_can_be_exported(tmp_path, bits):
    out = tmp_path / "run"
    result = train("small_resnet", "digits", out=out, data_folder=tmp_path, bits=bits, epochs=3, progress=False)
    assert result.differing_logits == 0
    assert len(export_run(out, tmp_path)[0].nodes) == 8

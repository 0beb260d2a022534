import pytest
import torch
from torch import nn

from s3train import TensorFormat
from s3train.layers import ActivationQuantizer, ShiftBlock, round_factor


def candidates():
    values = []
    for e in range(-17, 10):
        values.append((2.0**e, 0, e, 0))
        values += [(2.0**e * (1 + t * 2.0**-j), 1, e, j) for t in (-1, 1) for j in range(1, 5)]
    return values


def test_the_factor_is_the_nearest_one_and_the_smaller_on_a_tie():
    torch.manual_seed(0)
    m = torch.cat([torch.randn(500), torch.tensor([1.03125, 1.0, 1.4999, 1.75, 0.96875, -1.03125, 1.8125])]).double()
    found = round_factor(m)
    values = sorted({v for v, *_ in candidates()})
    for wanted, got in zip(m.abs().tolist(), found.value.abs().tolist(), strict=True):
        if wanted > 2.0**-10:
            assert got == min(values, key=lambda v: (abs(v - wanted), v)), wanted
    assert torch.equal(found.value, round_factor(found.value).value)
    assert bool(((found.t == 0) == (found.j == 0)).all())
    assert bool((torch.sign(found.value) == torch.where(m >= 0, 1.0, -1.0)).all())


def test_one_term_gives_powers_of_two():
    found = round_factor(torch.tensor([0.3, 0.7, 1.4, 3.1]).double(), terms=1)
    assert found.value.tolist() == [0.25, 0.5, 1.0, 4.0]
    assert not found.t.any()


def test_a_factor_of_zero_is_the_smallest_power():
    found = round_factor(torch.zeros(1))
    assert found.value.tolist() == [2.0**-16]


def test_half_goes_up_and_the_ends_are_clamped():
    quantizer = ActivationQuantizer(4).eval()
    quantizer.latent_exponent.data.fill_(0.0)
    x = torch.tensor([-3.0, 0.5, 1.5, 2.49, 99.0])
    assert quantizer(x).tolist() == [0, 1, 2, 2, 15]
    signed = ActivationQuantizer(4, signed=True).eval()
    signed.latent_exponent.data.fill_(0.0)
    assert signed(torch.tensor([-9.0, -0.5, -1.5, 7.6])).tolist() == [-8, 0, -1, 7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("signed", [False, True])
def test_what_is_on_the_grid_stays_what_it_is(dtype, signed):
    # In bfloat16 a half added to 129 makes 130.
    quantizer = ActivationQuantizer(8, signed=signed, exponent=3).train()
    grid = (torch.arange(256) - 128 * signed).to(dtype) / 8
    assert torch.equal(quantizer(grid), grid)


def test_the_first_batch_sets_the_scale():
    quantizer = ActivationQuantizer(8).train()
    quantizer(torch.tensor([0.0, 100.0]))
    assert quantizer.format.exponent == 1


@pytest.mark.parametrize("bits", [1, 9])
def test_other_bits_are_refused(bits):
    with pytest.raises(ValueError, match="2 to 8 bits"):
        ActivationQuantizer(bits)


def test_training_comes_to_what_evaluation_computes():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 16, 3, bias=False)
    layer.weight.data = torch.randint(-4, 5, layer.weight.shape).float()
    # Running statistics are the batch's own, but for the division by n - 1.
    block = ShiftBlock(layer, bits=8, source=lambda: TensorFormat(8, 0, 7), momentum=1.0)
    block.gamma.data = torch.randn(16)
    block.beta.data = torch.randn(16)
    x = torch.randint(0, 256, (400, 3, 8, 8)).float() / 128
    block(x)
    equal = {}
    for hardness in (0.0, 0.5, 1.0):
        block.hardness = hardness
        trained, evaluated = block.train()(x).detach(), block.eval()(x).detach()
        equal[hardness] = float((trained == evaluated).float().mean())
        if hardness == 1:
            # Only values next to the middle between two numbers may differ, by one step.
            assert (trained - evaluated).abs().max() <= 2.0**-block.quantizer.format.exponent
    assert equal[1.0] > 0.98 > equal[0.5] > equal[0.0]


def test_the_quantisers_gradients_are_their_closed_forms():
    quantizer = ActivationQuantizer(4).train()
    quantizer.initialized.fill_(True)
    quantizer.latent_exponent.data.fill_(1.0)
    x = torch.tensor([-1.0, 0.2, 3.3, 9.0], dtype=torch.float64, requires_grad=True)
    out = quantizer(x)
    assert out.tolist() == [0.0, 0.0, 3.5, 7.5]
    g = torch.tensor([1.0, 2.0, 3.0, 5.0], dtype=torch.float64)
    (out * g).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 0.0]
    wanted = 2.0 * (0.2 - 0.0) + 3.0 * (3.3 - 3.5) + 5.0 * (0.0 - 7.5)
    assert abs(quantizer.latent_exponent.grad.item() - wanted * 0.6931471805599453) < 1e-5

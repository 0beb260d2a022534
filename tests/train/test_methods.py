"""Every weight method: values in its alphabet, gradients equal to their closed forms."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from hw.graph import Alphabet
from s3train.convert import register_weight_method
from s3train.formats import UnsupportedModelError
from s3train.reparam import (
    METHODS,
    S3,
    APoT,
    DenseShift,
    TiedS3,
    Uniform,
    make_method,
    weight_methods,
)
from s3train.reparam.apot import apot_levels
from s3train.reparam.s3 import s3_weight
from s3train.reparam.straight_through import straight_through

ALL = [(name, bits) for name, method in METHODS.items() for bits in method.BITS]


def step(v):
    return straight_through(v, (v > 0).to(v.dtype))


def sign(v):
    return straight_through(v, torch.where(v >= 0, 1.0, -1.0).to(v.dtype))


def run(latents):
    length = torch.zeros_like(latents[0])
    for latent in latents:
        length = step(latent) * (length + 1)
    return length


def gradients(ours, theirs, parameters):
    """Gradient of a random projection of both at the same point."""
    a, b = parameters.clone().requires_grad_(), parameters.clone().requires_grad_()
    out = torch.randn_like(ours(a))
    (ours(a) * out).sum().backward()
    (theirs(b) * out).sum().backward()
    return a.grad, b.grad


@pytest.mark.parametrize(("name", "bits"), ALL)
def test_the_weights_are_integers_of_the_methods_alphabet(name, bits):
    torch.manual_seed(bits)
    layer = nn.Conv2d(16, 32, 3)
    register_weight_method(layer, name, bits)
    weight = layer.weight.detach()
    assert torch.equal(weight, weight.round()) and not torch.signbit(weight[weight == 0]).any()
    method = layer.parametrizations.weight[0]
    if method.alphabet is not None:
        alphabet = Alphabet.parse(method.alphabet)
        assert set(weight.unique().tolist()) <= set(alphabet.values)
        assert torch.equal(torch.from_numpy(alphabet.decode(alphabet.encode(weight.numpy()))), weight.int())
    layer.weight.sum().backward()
    assert torch.isfinite(layer.parametrizations.weight.original.grad).all()


@pytest.mark.parametrize(("name", "bits"), ALL)
@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv1d(3, 4, 3), nn.Conv2d(3, 4, 3)])
def test_every_layer_takes_every_method_and_the_state_can_be_saved(name, bits, layer):
    layer = type(layer)(6, 4) if isinstance(layer, nn.Linear) else type(layer)(3, 4, 3)
    register_weight_method(layer, name, bits)
    before = layer.weight.detach().clone()
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    for parameter in layer.parameters():
        parameter.data.normal_()
    layer.load_state_dict(state)
    assert torch.equal(layer.weight, before)
    assert [(found, method.NAME) for found, _, method, _ in weight_methods(layer)] == [("", name)]


@pytest.mark.parametrize("bits", S3.BITS)
def test_the_root_changes_s3s_gradient_and_not_its_weights(bits):
    torch.manual_seed(bits)
    latents = torch.randn(2 + S3(bits).shifts, 300, dtype=torch.float64)

    def composed(v):
        value = torch.exp2(run(v[2:]).detach()) if bits > 2 else torch.ones_like(v[0])
        root = torch.sqrt(run(v[2:]) + 1) if bits > 2 else torch.ones_like(v[0])
        base = straight_through(root, root)
        surrogate = sign(v[0]) * step(v[1]) * base
        return surrogate + (sign(v[0]) * step(v[1]) * value - surrogate).detach()

    assert torch.equal(s3_weight(latents, root=True), s3_weight(latents))
    ours, theirs = gradients(lambda v: s3_weight(v, root=True), composed, latents)
    assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    if bits > 2:
        assert not torch.allclose(ours, gradients(s3_weight, s3_weight, latents)[0])


@pytest.mark.parametrize("bits", DenseShift.BITS)
def test_denseshift_is_sign_times_power_and_goes_back_through_the_root(bits):
    torch.manual_seed(bits)
    method = DenseShift(bits)
    latents = torch.randn(1 + method.shifts, 300, dtype=torch.float64)

    def composed(v):
        surrogate = sign(v[0]) * torch.sqrt(run(v[1:]) + 1)
        return surrogate + (sign(v[0]) * torch.exp2(run(v[1:])) - surrogate).detach()

    assert torch.equal(method(latents), composed(latents))
    ours, theirs = gradients(method, composed, latents)
    assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_apots_levels_at_three_bits_are_s3s():
    assert apot_levels(3) == [0, 1, 2, 4]
    assert apot_levels(4) == [0, 1, 2, 3, 4, 6, 8, 10]
    assert len(apot_levels(5)) == 16


def test_apot_snaps_to_the_nearest_level_and_learns_its_clip():
    torch.manual_seed(0)
    method = APoT(3).double()
    weight = torch.randn(40, 40, dtype=torch.float64)
    out = method(weight)
    scaled = ((weight - weight.mean()) / (weight.std() * 3)).clamp(-1, 1) * 4
    levels = torch.tensor([-4.0, -2, -1, 0, 1, 2, 4], dtype=torch.float64)
    best = (scaled[..., None] - levels).abs().amin(-1)
    assert torch.allclose((out - scaled).abs(), best)
    g = torch.randn_like(weight)
    (out * g).sum().backward()
    inside = (scaled.abs() < 4).double()
    assert torch.allclose(method.clip.grad, (g * inside * -scaled / 3).sum())


@pytest.mark.parametrize("bits", APoT.BITS)
def test_apots_gradient_is_that_of_the_standardised_clamped_weight(bits):
    torch.manual_seed(bits)
    method = APoT(bits, clip=1.5).double()
    weight = (torch.randn(30, 20, dtype=torch.float64) * 0.3 + 0.1).requires_grad_()
    g = torch.randn_like(weight)
    (method(weight) * g).sum().backward()
    w = weight.detach()
    y = (w - w.mean()) / w.std()
    assert 0.05 < (y.abs() > 1.5).double().mean() < 0.3
    # d(y_i)/d(w_j) = (δ_ij - 1/n - y_i·y_j / (n - 1)) / σ, where nothing is clamped.
    h = g * (y.abs() <= 1.5) * float(method.levels[-1]) / 1.5
    wanted = (h - h.mean() - y * (h * y).sum() / (w.numel() - 1)) / w.std()
    assert torch.allclose(weight.grad, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bits", Uniform.BITS)
def test_uniforms_weights_and_gradient_are_those_of_its_formula(bits):
    torch.manual_seed(bits)
    weight = torch.randn(40, 40, dtype=torch.float64)
    # An outlier, so that the spread gives the scale and not the largest weight.
    weight[0, 0] = 50.0
    weight.requires_grad_()
    g = torch.randn_like(weight)
    out = Uniform(bits)(weight)
    (out * g).sum().backward()
    top = 2 ** (bits - 1) - 1
    scale = {4: 3.2, 8: 6.0}[bits] * weight.detach().std() / top
    assert torch.equal(out.detach(), torch.floor((weight.detach() / scale).clamp(-top, top) + 0.5))
    wanted = g / scale * (weight.detach().abs() <= top * scale)
    assert (wanted == 0).any() and torch.allclose(weight.grad, wanted, rtol=1e-12)


@pytest.mark.parametrize("bits", Uniform.BITS)
def test_uniform_weights_use_the_range_and_have_no_alphabet(bits):
    torch.manual_seed(0)
    method = Uniform(bits)
    out = method(torch.randn(64, 64))
    assert out.abs().max() == (1 << bits - 1) - 1
    assert method.alphabet is None


@pytest.mark.parametrize(
    ("name", "bits"), [("s3", 1), ("s3", 6), ("denseshift", 5), ("deepshift_q", 5), ("uniform", 3)]
)
def test_other_bits_are_refused(name, bits):
    with pytest.raises(ValueError, match=rf"{name} has \d (to|or) \d bits, got {bits}"):
        make_method(name, bits)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnsupportedModelError, match="'ternary' is unknown, supported are s3, s3_tied, denseshift"):
        register_weight_method(nn.Linear(2, 2), "ternary", 3)


@pytest.mark.parametrize(
    "layer", [nn.ConvTranspose2d(2, 2, 3), nn.BatchNorm2d(2), nn.Embedding(2, 2), nn.Conv3d(1, 1, 1), nn.ReLU()]
)
def test_layers_that_no_method_knows_are_refused(layer):
    kind = type(layer).__name__
    with pytest.raises(UnsupportedModelError, match=f"^a layer is a {kind}, supported are Conv1d, Conv2d, Linear$"):
        register_weight_method(layer, "s3", 3)
    with pytest.raises(UnsupportedModelError, match=f"^layer 'up.0' is a {kind}, supported are Conv1d, Conv2d, Linear"):
        register_weight_method(layer, "s3", 3, name="up.0")
    assert not parametrize.is_parametrized(layer)


@pytest.mark.parametrize(("name", "bits"), [("s3", 2), ("s3", 3), ("s3", 4), ("denseshift", 2), ("denseshift", 3)])
def test_the_start_from_float_weights_gives_back_weights_of_the_alphabet(name, bits):
    torch.manual_seed(bits)
    values = torch.tensor([float(v) for v in Alphabet.parse(make_method(name, bits).alphabet).values])
    wanted = values[torch.randint(0, len(values), (40, 40))]
    layer = nn.Linear(40, 40, bias=False)
    layer.weight.data = wanted * 0.37
    parametrize.register_parametrization(layer, "weight", make_method(name, bits, from_weights=True))
    assert torch.equal(layer.weight.detach(), wanted)
    # A convolution's channels have a scale each.
    conv = nn.Conv2d(10, 16, 3, bias=False)
    wanted = values[torch.randint(0, len(values), conv.weight.shape)]
    conv.weight.data = wanted * torch.logspace(-2, 2, 16).view(-1, 1, 1, 1)
    parametrize.register_parametrization(conv, "weight", make_method(name, bits, from_weights=True))
    assert torch.equal(conv.weight.detach(), wanted)


def test_latents_from_float_weights_are_distances_to_where_their_bits_flip():
    weight = torch.tensor([[1.0, -4.0, 0.4, 2.4, 3.2, 1.6, -0.6, 2.0, 4.0, 0.0, -1.0, -2.0, 4.0]])
    latents = S3(3, std=0.01, from_weights=True).right_inverse(weight)
    assert torch.equal(s3_weight(latents), torch.tensor([[1, -4, 0, 2, 4, 2, -1, 2, 4, 0, -1, -2, 4.0]]))
    scale = float(latents[0, 0, 0] / 0.01)
    size = weight.abs() * scale
    wanted = torch.stack([weight * scale, size - 0.5, size / 2 - 1.5, size - 1.5])
    assert torch.allclose(latents, 0.01 * wanted)


@pytest.mark.parametrize("bits", TiedS3.BITS)
def test_tied_s3_starts_at_s3s_weights_and_rounds_to_the_nearest_level(bits):
    torch.manual_seed(bits)
    free, tied = nn.Conv2d(8, 16, 3, bias=False), nn.Conv2d(8, 16, 3, bias=False)
    start = torch.randn(16, 8, 3, 3) * torch.logspace(-2, 2, 16).view(-1, 1, 1, 1)
    for layer, method in ((free, S3(bits, from_weights=True)), (tied, TiedS3(bits))):
        layer.weight.data = start.clone()
        parametrize.register_parametrization(layer, "weight", method)
    assert torch.equal(tied.weight, free.weight)
    method, weight = tied.parametrizations.weight[0], tied.parametrizations.weight.original
    weight.data = torch.randn_like(weight)
    scaled = weight * method.spread / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    levels = torch.tensor([float(v) for v in Alphabet.parse(method.alphabet).values])
    nearest = (scaled[..., None] - levels).abs().amin(-1)
    assert torch.allclose((tied.weight - scaled).abs(), nearest, atol=1e-5)


def test_tied_s3s_gradient_is_that_of_the_scaled_weight():
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, bias=False).double()
    parametrize.register_parametrization(layer, "weight", TiedS3(3))
    method = layer.parametrizations.weight[0]

    def scaled(v):
        return v * method.spread / v.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()

    ours, theirs = gradients(method, scaled, layer.parametrizations.weight.original.detach())
    assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12) and ours.abs().max() > 0


@pytest.mark.parametrize("layer", [nn.Linear(20, 30, bias=False), nn.Conv2d(5, 6, 3, bias=False)])
def test_a_learned_spread_starts_as_the_fixed_one_and_its_gradient_is_the_scaled_weights(layer):
    torch.manual_seed(2)
    weight = torch.randn_like(layer.weight)
    fixed, learned = copy.deepcopy(layer), copy.deepcopy(layer)
    for one, method in ((fixed, TiedS3(3)), (learned, TiedS3(3, learned_spread=True))):
        one.weight.data = weight.clone()
        parametrize.register_parametrization(one, "weight", method)
    assert torch.equal(fixed.weight, learned.weight)
    assert len(list(fixed.parameters())) == 1
    grad = torch.randn_like(weight)
    (learned.weight * grad).sum().backward()
    axes = (1, 2, 3) if weight.ndim > 2 else (0, 1)
    wanted = (grad * weight / weight.square().mean(axes, keepdim=True).sqrt()).sum(axes)
    spread = learned.parametrizations.weight[0].spread
    assert torch.allclose(spread.grad.flatten(), wanted.flatten(), rtol=1e-4)
    # A smaller spread has more zeros.
    zeros = (learned.weight == 0).float().mean()
    spread.data /= 2
    assert (learned.weight == 0).float().mean() > zeros


@pytest.mark.parametrize("layer", [nn.Linear(20, 30, bias=False), nn.Conv2d(5, 6, 3, bias=False)])
def test_tied_s3s_weights_do_not_follow_the_size_of_the_float_ones(layer):
    torch.manual_seed(1)
    layer = type(layer)(20, 30, bias=False) if isinstance(layer, nn.Linear) else type(layer)(5, 6, 3, bias=False)
    parametrize.register_parametrization(layer, "weight", TiedS3(3))
    before = layer.weight.detach().clone()
    sizes = torch.logspace(-2, 2, 6).view(-1, 1, 1, 1) if isinstance(layer, nn.Conv2d) else torch.tensor(0.125)
    layer.parametrizations.weight.original.data *= sizes
    assert torch.equal(layer.weight, before)
    layer.parametrizations.weight.original.data.zero_()
    assert not layer.weight.any() and not torch.signbit(layer.weight).any()

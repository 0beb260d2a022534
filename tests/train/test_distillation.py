"""What a network learns from trained ones: features and classes."""

import math

import pytest
import torch
from torch import nn

from s3train.convert import convert, convert_weights
from s3train.data import load_digits
from s3train.distillation import Distillation, class_distance
from s3train.feature_distillation import feature_distance, watch_features
from s3train.formats import TensorFormat
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.runs import load_run
from s3train.train import train

NAMES = {"block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2", "block2_shortcut_0", "classifier"}


def float_model(name="small_resnet"):
    torch.manual_seed(3)
    return build_model(name, (1, 8, 8), 10)


def forms(model):
    """A float network and both of its forms with shift weights."""
    return model, convert_weights(model), convert(model, image=TensorFormat(8, 0, 8))


@pytest.mark.parametrize("form", [0, 1, 2])
def test_the_features_are_what_layers_behind_the_first_read_in_every_form(form):
    model = forms(float_model())[form]
    images = torch.rand(4, 1, 8, 8)
    with watch_features(model) as found:
        model(images)
    assert found.keys() == NAMES
    assert found["block1_conv1"].shape == (4, 16, 8, 8) and found["classifier"].shape == (4, 32)
    assert all((x >= 0).all() and x.any() for x in found.values())
    before = {name: x.clone() for name, x in found.items()}
    model(2 * images)
    assert all(torch.equal(found[name], x) for name, x in before.items())


def test_the_distance_is_the_share_that_is_missed():
    torch.manual_seed(0)
    a, b = torch.randn(6, 3, 4, 4) + 2, 10 * torch.randn(6, 5)
    wanted = {"a": a, "b": b, "shortcut": a}
    assert feature_distance({"a": a, "b": b}, wanted) == 0
    assert math.isclose(feature_distance({"a": 0 * a, "b": 0 * b}, wanted), 1.0, rel_tol=1e-5)
    x = torch.randn(6, 3, 4, 4, requires_grad=True)
    found = feature_distance({"a": x, "b": b}, wanted)
    found.backward()
    assert math.isclose(found, 0.5 * (x - a).square().sum() / a.square().sum(), rel_tol=1e-5)
    assert torch.allclose(x.grad, (x - a).detach() / a.square().sum(), rtol=1e-4, atol=1e-7)
    assert feature_distance({"a": torch.zeros(6, 3)}, {"a": torch.zeros(6, 3)}) == 0


def test_features_of_other_networks_are_refused():
    y = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"before layer fc, in the twin \(2, 3\), is missing in the network"):
        feature_distance({}, {"fc": y})
    with pytest.raises(ValueError, match=r"before layer fc, in the twin \(2, 3\), has shape \(2, 4\) in the network"):
        feature_distance({"fc": torch.ones(2, 4)}, {"fc": y})


def test_the_classes_distance_is_the_softened_divergence():
    a, b = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([[0.5, 3.0, 0.0]])
    p, q = (b / 4).softmax(1), (a / 4).softmax(1)
    assert math.isclose(class_distance(a, b, 4.0), 16 * float((p * (p / q).log()).sum()), rel_tol=1e-4)


def test_a_teacher_that_is_the_twin_sees_a_batch_once():
    twin, student, _ = forms(float_model())
    recipe = choose_recipe("digits", distillation=0.9, features=2.0)
    images, labels = torch.rand(4, 1, 8, 8), torch.zeros(())
    other = float_model()

    def loss(recipe, teacher, twin):
        calls = 0

        def count(module, inputs):
            nonlocal calls
            calls += isinstance(module, nn.Conv2d) and module.in_channels == 1 and inputs[0] is images

        distillation = Distillation(student, recipe, teacher, twin)
        with distillation.watch() as found:
            logits = student.train()(images)
        hook = nn.modules.module.register_module_forward_pre_hook(count)
        try:
            return float(distillation(labels, logits, found, images)), calls, logits, found
        finally:
            hook.remove()

    same, once, logits, found = loss(recipe, twin, twin)
    apart, twice, *_ = loss(recipe, other, twin)
    assert once == 1 and twice == 2
    with watch_features(twin.eval()) as wanted, torch.no_grad():
        answers = twin(images)
    expected = 0.9 * class_distance(logits, answers, 4.0) + 2.0 * feature_distance(found, wanted)
    assert math.isclose(same, expected, rel_tol=1e-4) and math.isclose(apart, same, rel_tol=1e-4)
    assert loss(choose_recipe("digits"), twin, twin)[:2] == (0.0, 0)


def test_features_want_a_twin():
    with pytest.raises(ValueError, match="setting 'features' wants a float twin to start from, set it to 0 without"):
        Distillation(float_model(), choose_recipe("digits", features=1.0), None, None)


@pytest.mark.parametrize("activation_bits", [8, 32])
def test_feature_distillation_brings_the_features_nearer(tmp_path, activation_bits):
    options = {"data_folder": tmp_path, "progress": False}
    folder = tmp_path / "twin"
    train("small_resnet", "digits", out=folder, method="float", epochs=4, **options)
    images = load_digits()
    batch = images.real(images.test_images)
    twin = load_run(folder, tmp_path)[0]
    distances = []
    for weight in (0.0, 4.0):
        recipe = choose_recipe("digits", from_twin=True, tied=True, features=weight, epochs=2)
        out = tmp_path / f"run{weight}"
        result = train(
            "small_resnet", "digits", out=out, recipe=recipe, start=folder, activation_bits=activation_bits, **options
        )
        assert not result.differing_logits
        model = load_run(out, tmp_path)[0]
        with torch.no_grad(), watch_features(model) as found, watch_features(twin) as wanted:
            model(batch), twin(batch)
        distances.append(float(feature_distance(found, wanted)))
    assert distances[1] < 0.8 * distances[0]

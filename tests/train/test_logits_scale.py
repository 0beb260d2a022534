"""What the loss divides the logits by at the start, from random weights."""

import pytest
import torch

from s3train.convert import convert
from s3train.data import load_digits
from s3train.logits_scale import LEAST, logits_scale
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.train import train

DIGITS = load_digits()


def batch():
    return DIGITS.real(DIGITS.train_images[:128])


def mlp(method, bits):
    torch.manual_seed(0)
    return convert(build_model("mlp", DIGITS.shape, 10), method, bits, image=DIGITS.format)


def test_a_float_network_has_no_scale():
    assert logits_scale(build_model("mlp", DIGITS.shape, 10), None, batch) == 1


@pytest.mark.parametrize(("method", "bits"), [("s3", 2), ("s3", 3), ("apot", 3)])
def test_narrow_weights_start_with_the_least_scale(method, bits):
    assert logits_scale(mlp(method, bits), None, batch) == LEAST == 20


@pytest.mark.parametrize(("method", "bits"), [("s3", 4), ("s3_tied", 5), ("uniform", 8)])
def test_logits_of_wide_weights_have_two_thirds_of_a_deviation_and_the_network_is_left_alone(method, bits):
    network = mlp(method, bits).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    scale = logits_scale(network, None, batch)
    assert not network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    with torch.no_grad():
        logits = network.train()(batch())
    assert scale > LEAST and float((logits / scale).std()) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("method", "bits"), [("s3_tied", 5), ("uniform", 8)])
def test_wide_weights_learn_from_a_random_start(tmp_path, method, bits):
    recipe = choose_recipe("digits", method, "random", epochs=10)
    options = {"method": method, "bits": bits, "recipe": recipe, "data_folder": tmp_path, "progress": False}
    assert train("mlp", "digits", out=tmp_path / "run", **options).accuracy > 0.93

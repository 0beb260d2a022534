"""What ``convert`` makes of a recipe, a method's options and the layers to skip."""

import pytest
import torch
from torch import nn

from s3train import TensorFormat, convert
from s3train.convert import convert_weights
from s3train.formats import UnsupportedModelError
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.reparam import METHODS, S3, TiedS3, weight_methods

IMAGE = TensorFormat(8, 0, 8)


def mlp():
    torch.manual_seed(0)
    return build_model("mlp", (1, 8, 8), 10)


def both(method="s3", bits=3, **options):
    """Return both kinds of conversion."""
    torch.manual_seed(1)
    one = convert(mlp(), method, bits, image=IMAGE, **options)
    torch.manual_seed(1)
    return one, convert_weights(mlp(), method, bits, **options)


def methods(model):
    return [method for _, _, method, _ in weight_methods(model)]


def test_a_recipe_says_how_s3_starts():
    for model in both():
        assert all((m.std, m.gate_offset, m.root) == (0.01, 2.0, False) for m in methods(model))
    for model in both(recipe="paper"):
        assert all((m.std, m.gate_offset, m.root) == (0.0, 0.0, False) for m in methods(model))
        for _, layer, _, latents in weight_methods(model):
            # The published spread, and gates that are open as often as shut.
            assert float(latents.std()) == pytest.approx((2 / layer.weight[:, 0].numel()) ** 0.5, rel=0.1)
            assert 0.4 < (latents[1] > 0).float().mean() < 0.6
    for model in both(recipe="paper", std=0.5):
        assert all((m.std, m.gate_offset) == (0.5, 0.0) for m in methods(model))
    for model in both(recipe=choose_recipe("", tied=True)):
        assert all(type(m) is TiedS3 for m in methods(model)) and len(methods(model)) > 1
    for model in both(recipe=choose_recipe("", root=True)):
        assert all(type(m) is S3 and m.root for m in methods(model))
    for model in both("denseshift", recipe="paper"):
        assert all(m.std == 0.001 for m in methods(model))
    with pytest.raises(ValueError, match="recipe 'magic' is unknown, supported are default, random, paper"):
        convert(mlp(), image=IMAGE, recipe="magic")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_starts_from_weights(method):
    bits = 4 if method == "uniform" else 3
    for model in both(method, bits, from_weights=True):
        kept = [m.weight for m in mlp().modules() if isinstance(m, nn.Linear)]
        for (_, layer, _, _), weight in zip(weight_methods(model), kept, strict=True):
            product = layer.weight.sign() * weight.sign()
            assert (product < 0).float().mean() < 0.01 and (product > 0).float().mean() > 0.5


def test_an_option_that_a_method_has_not_is_refused():
    for method, message in (
        ("apot", "weight method apot has no option 'std', supported are clip$"),
        ("s3", "weight method s3 has no option 'clip', supported are std, gate_offset, root, from_weights$"),
        ("s3_tied", "weight method s3_tied has no option 'std', supported are learned_spread$"),
        ("deepshift_q", "weight method deepshift_q has no option 'std', it has none$"),
    ):
        option = {message.split("'")[1]: 1.0}
        with pytest.raises(UnsupportedModelError, match=message):
            convert(mlp(), method, image=IMAGE, **option)
        with pytest.raises(UnsupportedModelError, match=message):
            convert_weights(mlp(), method, **option)


def test_a_layer_to_skip_that_the_model_has_not_is_named():
    message = "^skip: the model has no layer 'classifer', it has layers.1, .*classifier$"
    with pytest.raises(UnsupportedModelError, match=message):
        convert(mlp(), image=IMAGE, skip=("layers.1", "classifer"))
    with pytest.raises(UnsupportedModelError, match=message):
        convert_weights(mlp(), skip=["classifer"])
    with pytest.raises(UnsupportedModelError, match="has no layer 'layers', it has"):
        convert(mlp(), image=IMAGE, skip=("layers",))
    whole = len(methods(convert_weights(mlp())))
    for model in both(skip="classifier"):
        assert len(methods(model)) == whole - 1

"""A training with a number that is not finite ends with a sentence that says where and what to try."""

from types import SimpleNamespace

import pytest
import torch

from s3train.convert import convert, convert_weights
from s3train.formats import TensorFormat
from s3train.lightning_module import TrainingModule
from s3train.models import build_model
from s3train.not_finite import output_not_finite, stored_not_finite
from s3train.recipe import choose_recipe
from s3train.train import train

NAN, INFINITE = float("nan"), float("inf")


def module(network, **changes):
    """A training of a network at its third step."""
    made = TrainingModule(network.train(), choose_recipe("digits", **changes), 10)
    made.trainer = SimpleNamespace(global_step=3)
    made.log = made.log_dict = lambda *_, **__: None
    return made


def floating():
    torch.manual_seed(0)
    return convert_weights(build_model("small_resnet", (1, 8, 8), 10))


def integer():
    torch.manual_seed(0)
    return convert(build_model("small_resnet", (1, 8, 8), 10), image=TensorFormat(8, 0, 8))


def batch():
    return torch.rand(8, 1, 8, 8), torch.zeros(8, dtype=torch.long)


@torch.no_grad()
def spoil(tensor, value=NAN):
    tensor.view(-1)[0] = value


@pytest.mark.parametrize("value", [NAN, INFINITE, -INFINITE])
@pytest.mark.parametrize(
    ("make", "path", "name"),
    [
        (floating, "block2.conv1.parametrizations.weight.original", "parameter 'weight' of layer 'block2.conv1'"),
        (floating, "classifier.bias", "parameter 'bias' of layer 'classifier'"),
        (integer, "block2_conv1_block.gamma", "parameter 'gamma' of layer 'block2_conv1_block'"),
        (
            integer,
            "classifier_logits.layer.parametrizations.weight.original",
            "parameter 'weight' of layer 'classifier_logits.layer'",
        ),
        (
            integer,
            "block1_conv1_block.quantizer.latent_exponent",
            "parameter 'latent_exponent' of layer 'block1_conv1_block.quantizer'",
        ),
    ],
)
def test_a_parameter_that_is_not_finite_is_named(make, path, name, value):
    network = make()
    training = module(network, latent_lr=2.5)
    training.training_step(batch(), 0)
    spoil(dict(network.named_parameters())[path], value)
    assert stored_not_finite(network) == name
    wanted = f"^the {name} is not finite at step 3; try a smaller learning rate \\(lr 0.1, latent_lr 2.5\\)$"
    with pytest.raises(FloatingPointError, match=wanted):
        training.on_train_epoch_end()


def test_gates_that_are_not_finite_end_the_run_at_their_step():
    # S3's weights are finite all the same, and so is the labels' loss.
    network = floating()
    training = module(network)
    with torch.no_grad():
        network.block2.conv1.parametrizations.weight.original.fill_(NAN)
    with pytest.raises(FloatingPointError, match=r"^the parameter 'weight' of layer 'block2.conv1' is not finite at s"):
        training.training_step(batch(), 0)


def test_a_scale_that_is_not_a_number_ends_the_run_with_a_sentence():
    network = integer()
    training = module(network)
    training.training_step(batch(), 0)
    spoil(network.block1_conv1_block.quantizer.latent_exponent)
    with pytest.raises(FloatingPointError, match=r"'latent_exponent' of layer 'block1_conv1_block.quantizer' is not f"):
        training.training_step(batch(), 0)


def test_the_first_layer_whose_output_is_not_finite_is_named():
    network = floating()
    training = module(network)
    images, labels = batch()
    assert output_not_finite(network, images) is None
    with torch.no_grad():
        network.block2.bn1.weight.fill_(3e38)
    assert output_not_finite(network, images) == "output of layer 'block2.bn1'"
    # A layer with a weight method is named too, though it has children.
    weight = network.block1.conv1.parametrizations.weight[0]
    hook = weight.register_forward_hook(lambda _, __, output: output * INFINITE)
    wanted = "^the loss is nan at step 3, from the output of layer 'block1.conv1'; try a smaller learning rate"
    with pytest.raises(FloatingPointError, match=wanted):
        training.training_step((images, labels), 0)
    hook.remove()


def test_an_image_that_is_not_finite_does_not_choose_a_scale():
    network = integer()
    images, labels = batch()
    spoil(images, INFINITE)
    with pytest.raises(FloatingPointError, match=r"^the loss is nan at step 3, from the output of layer '"):
        module(network).training_step((images, labels), 0)


@pytest.mark.parametrize(
    ("model", "activation_bits", "changes", "message"),
    [
        ("small_resnet", 8, {"latent_lr": 1e30}, "'weight' of layer 'stem_block.layer' is not finite at step 2"),
        ("small_resnet", 32, {"lr": 1e30}, "the buffer 'running_var' of layer '.*' is not finite at step 22"),
    ],
)
def test_a_training_that_blows_up_ends_with_a_sentence(tmp_path, model, activation_bits, changes, message):
    recipe = choose_recipe("digits", epochs=2, **changes)
    options = {"activation_bits": activation_bits, "recipe": recipe, "progress": False}
    with pytest.raises(FloatingPointError, match=f"({message}).*; try a smaller learning rate"):
        train(model, "digits", out=tmp_path / "run", data_folder=tmp_path, **options)
    assert not (tmp_path / "run" / "result.json").exists()

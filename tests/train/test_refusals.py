"""What is refused, and the sentence that says why."""

import json
import re
import signal
import threading
from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from s3train import TensorFormat, convert, export
from s3train.config_file import ConfigError, read_config_file
from s3train.data import load_digits
from s3train.formats import UnsupportedModelError
from s3train.integer import IntegerModel
from s3train.interrupt import SaveOnInterrupt
from s3train.lightning_module import TrainingModule
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.run_config import RunConfig
from s3train.runs import (
    OtherRunError,
    RunError,
    TrainResult,
    build,
    close_run,
    export_run,
    keep_network,
    load_run,
    open_run,
)
from s3train.train import train

IMAGE = TensorFormat(8, 0, 8)
DIGITS = TensorFormat(5, 0, 4)
SIDE_BY_SIDE = "supported are windows side by side$"


class Parts(nn.Module):
    """Two convolutions with batch norm, and a forward of the test's own."""

    def __init__(self, forward):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.bn0 = nn.BatchNorm2d(1)
        self.scale = nn.Parameter(torch.ones(1))
        self.classifier = nn.Linear(4 * 8 * 8, 10)
        self.of = forward

    def one(self, x):
        return torch.relu(self.bn1(self.conv1(x)))

    def two(self, x):
        return torch.relu(self.bn2(self.conv2(x)))

    def forward(self, x):
        return self.of(self, x)


def logits_of(features):
    return Parts(lambda m, x: m.classifier(features(m, x).flatten(1)))


def adds_to_itself(m, x):
    y = m.bn1(m.conv1(x))
    return y + y


def adds_twice_as_much(m, x):
    return torch.relu(torch.add(m.bn1(m.conv1(x)), m.bn2(m.conv2(x)), alpha=2))


def layers(*first, channels=1):
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(channels, 2))


def conv(**options):
    return layers(nn.Conv2d(1, 4, 3, bias=False, **options), nn.BatchNorm2d(4), channels=4)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (logits_of(lambda m, x: torch.cat([m.one(x), m.two(x)])), "^cat: concatenates dimension 0, supported are the"),
        (logits_of(lambda m, x: torch.cat([m.one(x), m.two(x)], dim=2)), "^cat: concatenates dimension 2, supported"),
        (logits_of(lambda m, x: torch.cat([m.one(x), x], 1)), "^cat: concatenates x, supported are outputs of layers$"),
        (logits_of(lambda m, x: m.one(x) if x.sum() > 0 else m.two(x)), "^the model's forward cannot be traced: "),
        (logits_of(lambda m, x: m.one(x) if len(x) else m.two(x)), "^the model's forward cannot be traced: 'len' is"),
        (logits_of(lambda m, x: next(m.one(x) for _ in range(x.shape[0]))), "^the model's forward cannot be traced: '"),
        (logits_of(adds_twice_as_much), "^add: alpha is 2, supported is 1$"),
        (logits_of(adds_to_itself), "^add: adds a branch to itself, supported are additions of two branches$"),
        (logits_of(lambda m, x: m.bn1(m.conv1(x)) + 1.0), "^add: adds a constant, supported are additions of two bran"),
        (logits_of(lambda m, x: m.bn1(m.conv1(x)) + m.bn0(x)), "^bn0: a batch norm without a convolution or linear"),
        (
            logits_of(lambda m, x: x * m.scale),
            "^scale: unsupported, supported are Conv1d, .* concatenations of channel",
        ),
        (conv(padding=1, padding_mode="reflect"), "^0: padding mode 'reflect', supported are 'zeros' and 'circular'$"),
        (conv(padding="same"), "^0: padding 'same', supported are numbers$"),
        (layers(nn.MaxPool2d(2, ceil_mode=True)), "^0: max pool with dilation or ceil_mode, supported is neither$"),
        (layers(nn.MaxPool2d(2, return_indices=True)), "^0: max pool that returns indices, supported is one without$"),
        (layers(nn.MaxPool2d(2, dilation=2)), "^0: max pool with dilation or ceil_mode, supported is neither$"),
        (layers(nn.AvgPool2d(3, 2)), rf"^0: average pool of \(3, 3\) with stride \(2, 2\), {SIDE_BY_SIDE}"),
        (layers(nn.AvgPool2d(3, padding=1)), rf"^0: average pool of \(3, 3\) with padding \(1, 1\), {SIDE_BY_SIDE}"),
        (layers(nn.AvgPool2d(3, ceil_mode=True)), rf"^0: average pool of \(3, 3\) with ceil_mode, {SIDE_BY_SIDE}"),
        (layers(nn.AvgPool2d(3, divisor_override=8)), rf"^0: average pool of \(3, 3\) with divisor 8, {SIDE_BY_SIDE}"),
        (
            layers(nn.AvgPool2d(3, 1, 1, ceil_mode=True)),
            rf"^0: .* with stride \(1, 1\) and padding \(1, 1\) and ceil_mode, {SIDE_BY_SIDE}",
        ),
        (layers(nn.AdaptiveAvgPool2d(2)), "^0: adaptive pool to 2, supported is 1$"),
        (layers(nn.AdaptiveAvgPool2d(None)), "^0: adaptive pool to None, supported is 1$"),
        (layers(nn.AdaptiveAvgPool2d((None, 1))), r"^0: adaptive pool to \(None, 1\), supported is 1$"),
        (layers(nn.AdaptiveAvgPool2d((1, 2))), r"^0: adaptive pool to \(1, 2\), supported is 1$"),
    ],
)
def test_a_model_that_cannot_be_converted_is_refused(model, message):
    with pytest.raises(UnsupportedModelError, match=message):
        convert(model, image=IMAGE)


def test_a_max_pool_with_its_dilation_as_a_pair_is_converted():
    model = layers(nn.MaxPool2d(2, dilation=(1, 1)), channels=16)
    assert "Logits" in str(export(convert(model, image=IMAGE), IMAGE, (1, 8, 8)).nodes[-1])


@pytest.mark.parametrize("layer", ["layers.1", "classifier"])
def test_a_float_layer_cannot_be_exported(layer):
    network = convert(build_model("mlp", (1, 8, 8), 10), image=IMAGE, skip=(layer,))
    name = layer.replace(".", "_") + "_(block|logits)"
    with pytest.raises(UnsupportedModelError, match=f"^layer '{name}' has float weights; convert it without skip to"):
        export(network, IMAGE, (1, 8, 8))
    with pytest.raises(UnsupportedModelError, match=f"^layer '{name}' has weights that are not integers; convert it "):
        IntegerModel(network, IMAGE)


def test_integers_of_a_float_layer_cannot_be_exported():
    network = convert(build_model("mlp", (1, 8, 8), 10), image=IMAGE, skip=("classifier",))
    network.classifier_logits.layer.weight.data.round_()
    with pytest.raises(
        UnsupportedModelError, match=r"^layer 'classifier_logits' has float weights; convert it without"
    ):
        export(network, IMAGE, (1, 8, 8))


@pytest.mark.parametrize(("method", "bits"), [("uniform", 8), ("uniform", 4), ("apot", 4)])
def test_weights_that_are_no_shifts_cannot_be_exported(method, bits):
    network = convert(build_model("mlp", (1, 8, 8), 10), method, bits, image=IMAGE)
    message = f"^layer '.*': the values of {method} with {bits} bits are no alphabet of shifts; supported are s3, "
    with pytest.raises(UnsupportedModelError, match=message):
        export(network, IMAGE, (1, 8, 8))


def test_a_layer_without_integers_is_refused():
    network = convert(build_model("mlp", (1, 8, 8), 10), image=IMAGE)
    block = network.layers_1_block
    block.layer = nn.ConvTranspose2d(1, 64, 1)
    block.layer.weight.data.zero_()
    with pytest.raises(UnsupportedModelError, match=r"^ConvTranspose2d has no integer form$"):
        IntegerModel(network, IMAGE).run(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))


def test_scales_that_are_too_far_apart_for_the_hardware_are_refused():
    network = convert(build_model("small_resnet", (1, 8, 8), 10), image=IMAGE)
    network.block1_conv2_block.quantizer.latent_exponent.data.fill_(15.0)
    network.stem_block.quantizer.latent_exponent.data.fill_(-5.0)
    message = (
        "^layer 'block1_conv2_block': K reaches 20, supported is up to 15; the scales of its input, output and resid"
    )
    with pytest.raises(UnsupportedModelError, match=message):
        IntegerModel(network, IMAGE)


def test_a_missing_config_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"here.yaml: cannot be read \(No such file or directory\)$"):
        read_config_file(tmp_path / "here.yaml")


def test_outside_the_main_thread_no_signal_is_taken_over(tmp_path):
    callback = SaveOnInterrupt(tmp_path / "last.ckpt")
    before = signal.getsignal(signal.SIGINT)
    errors = []

    def start():
        try:
            callback.on_train_start(Mock(), Mock())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert not errors
    assert signal.getsignal(signal.SIGINT) is before
    callback.teardown(Mock(), Mock(), "fit")
    assert signal.getsignal(signal.SIGINT) is before


CONFIG = RunConfig("mlp", "digits", "s3", 3, 8, True, 0, None, None, choose_recipe("digits", epochs=1))


def finished(folder, config, network=None):
    """Make the folder of a run that was never trained."""
    assert open_run(folder, config) is None
    keep_network(folder, network or build(config, load_digits()))
    close_run(TrainResult(folder, 0.1, None, 0.0))
    return folder


@pytest.mark.parametrize("missing", [False, True])
def test_a_run_whose_settings_are_lost_is_kept_unless_it_is_given_up(tmp_path, missing):
    finished(tmp_path, CONFIG)
    if missing:
        (tmp_path / "config.json").unlink()
        message = r"holds result.json of a run whose config.json is missing; choose another"
    else:
        (tmp_path / "config.json").write_text("{")
        message = r"config.json is damaged \(.*\), so what the run was made with is unknown; choose another"
    for write in (False, True):
        with pytest.raises(OtherRunError, match=message):
            open_run(tmp_path, CONFIG, write=write)
    assert (tmp_path / "result.json").exists() and (tmp_path / "model.safetensors").exists()
    assert open_run(tmp_path, CONFIG, overwrite=True, write=False) is None
    assert (tmp_path / "result.json").exists()
    assert open_run(tmp_path, CONFIG, overwrite=True) is None
    assert not (tmp_path / "result.json").exists() and not (tmp_path / "model.safetensors").exists()
    with pytest.raises(RunError, match=r"no finished run here \(model.safetensors is missing\)$"):
        load_run(tmp_path, tmp_path)


def test_a_damaged_network_is_refused(tmp_path):
    (finished(tmp_path, CONFIG) / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunError, match=rf"^{re.escape(str(tmp_path))}: the run is damaged \(.+\)$"):
        load_run(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "magic"}, "model 'magic' is unknown, supported are mlp, "),
        ({"method": "magic"}, "weight method 'magic' is unknown, supported are s3, "),
        ({"bits": 99}, ".*99"),
        ({"activation_bits": 1}, ".*1"),
    ],
)
def test_a_config_of_no_network_is_refused(tmp_path, fields, message):
    finished(tmp_path, CONFIG)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    with pytest.raises(RunError, match=rf"^{re.escape(str(tmp_path))}: config.json is damaged \({message}"):
        load_run(tmp_path, tmp_path)


def test_a_state_of_another_network_is_refused(tmp_path):
    finished(tmp_path, CONFIG, build(replace(CONFIG, bits=2), load_digits()))
    with pytest.raises(RunError, match=r": model.safetensors is of another network$"):
        load_run(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": "float", "bits": 32, "activation_bits": 32},
            "method float, 32-bit activations and .* in the method",
        ),
        ({"activation_bits": 32}, "method s3, 32-bit activations and first and last layer in the method"),
        ({"first_last": False}, "method s3, 8-bit activations and first and last layer in float"),
    ],
)
def test_a_run_without_integers_cannot_be_exported(tmp_path, changes, message):
    finished(tmp_path, replace(CONFIG, **changes))
    with pytest.raises(RunError, match=f": a run with {message} cannot be exported; train with method s3, at most 8"):
        export_run(tmp_path, tmp_path)


def test_an_error_in_the_training_is_passed_on(tmp_path, monkeypatch):
    def failing(self, batch, index):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(TrainingModule, "training_step", failing)
    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        train("mlp", "digits", out=tmp_path / "run", data_folder=tmp_path, epochs=1, progress=False)
    assert not (tmp_path / "run" / "result.json").exists()

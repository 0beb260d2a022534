import gzip
import http.client
import json
import urllib.error
import urllib.request
from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from s3train.convert import convert
from s3train.data import DataError, load_data, load_digits
from s3train.data.mnist import read_idx
from s3train.evaluation import accuracy, integer_evaluation
from s3train.formats import TensorFormat
from s3train.layers import ShiftBlock, ShiftLogits
from s3train.lightning_module import TrainingModule
from s3train.logits_scale import logits_scale
from s3train.models import build_model
from s3train.recipe import choose_recipe
from s3train.reparam import S3, TiedS3, weight_methods
from s3train.run_config import RunConfig
from s3train.runs import OtherRunError, RunError, build, load_run
from s3train.train import train


def test_the_digits_split_is_fixed_and_stratified():
    data = load_digits()
    assert len(data.test_images) == 359 and len(data.train_images) == 1438
    counts = data.test_labels.bincount()
    assert counts.min() >= 34 and counts.max() <= 37
    assert int(data.train_images.max()) == 16


def test_a_short_training_learns_is_kept_and_not_repeated(tmp_path, monkeypatch):
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "epochs": 3, "progress": False}
    first = train("mlp", "digits", **options)
    assert first.accuracy > 0.5
    assert first.integer_accuracy == first.accuracy
    again = train("mlp", "digits", **options)
    assert again == first
    # A folder from before a setting existed was made with the setting's default.
    file = tmp_path / "run" / "config.json"
    kept = json.loads(file.read_text())
    del kept["recipe"]["features"]
    file.write_text(json.dumps(kept))
    with monkeypatch.context() as context:
        context.setattr(lightning.Trainer, "fit", None)
        assert train("mlp", "digits", **options) == first
    kept["recipe"]["features"] = 1.0
    file.write_text(json.dumps(kept))
    with pytest.raises(OtherRunError, match=r"run: holds a run with recipe.features 1.0, wanted is 0.0; choose"):
        train("mlp", "digits", **options)
    assert train("mlp", "digits", overwrite=True, **options).accuracy == first.accuracy
    model, config, data = load_run(tmp_path / "run", tmp_path)
    assert integer_evaluation(model, data) == (first.accuracy, first.accuracy, 0) and first.differing_logits == 0
    whole = ShiftLogits.forward
    monkeypatch.setattr(ShiftLogits, "forward", lambda self, x: whole(self, x) + 1.0)
    assert integer_evaluation(model, data)[2] == 10 * data.test_count
    assert config.model == "mlp" and not model.training


@pytest.mark.parametrize(
    "error",
    [
        OSError("no network"),
        http.client.IncompleteRead(b"abc", 5),
        urllib.error.URLError("no name"),
        TimeoutError("timed out"),
        http.client.BadStatusLine("?"),
    ],
)
def test_missing_mnist_says_which_files_go_where(tmp_path, monkeypatch, error):
    def refused(*args, **kwargs):
        raise error

    monkeypatch.setattr(urllib.request, "urlopen", refused)
    with pytest.raises(
        DataError, match=r"get train-images-idx3-ubyte, .*t10k-labels-idx1-ubyte .* from https://.* put"
    ):
        load_data("mnist", tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "x.gz"
    file.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x05ab"))
    with pytest.raises(DataError, match=r"x.gz: 2 bytes of data"):
        read_idx(file)
    file.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab"))
    assert np.array_equal(read_idx(file), np.frombuffer(b"ab", np.uint8))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no finished run here \(config.json is missing\)"):
        load_run(tmp_path, tmp_path)


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="supported are digits, mnist, fashion, cifar10, cifar100"):
        load_data("svhn", tmp_path)


@pytest.mark.parametrize("activation_bits", [8, 32])
def test_a_network_starts_from_everything_its_twin_has(tmp_path, activation_bits):
    recipe = choose_recipe("digits", epochs=4)
    options = {"data_folder": tmp_path, "recipe": recipe, "progress": False}
    train("small_resnet", "digits", out=tmp_path / "twin", method="float", **options)
    twin, _, images = load_run(tmp_path / "twin", tmp_path)
    config = RunConfig("small_resnet", "digits", "s3", 3, activation_bits, True, 0, None, "twin", recipe)
    network = build(config, images, twin)
    floats = {n.replace(".", "_"): m.weight for n, m in twin.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    layers = {n: m for n, m in network.named_modules() if parametrize.is_parametrized(m, "weight")}
    assert len(layers) == len(floats) > 3
    for name, layer in layers.items():
        block = name.removesuffix(".layer").removesuffix("_block").removesuffix("_logits")
        weight = floats.pop(block.replace(".", "_"))
        # The smallest weights become 0; all others have the twin's sign.
        product = torch.sign(layer.weight) * torch.sign(weight)
        assert (product >= 0).all() and (product > 0).float().mean() > 0.6
    norms = [m.weight.sum() + m.bias.sum() for m in twin.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [m.gamma.sum() + m.beta.sum() for m in network.modules() if isinstance(m, ShiftBlock)]
    if activation_bits == 8:
        assert sorted(map(float, kept)) == sorted(map(float, norms))
    # Statistics of its own are all it needs to classify nearly as well, before any training.
    network.train()
    with torch.no_grad():
        for _ in range(40):
            network(images.real(images.train_images[:256]))
    assert accuracy(network, images) > accuracy(twin, images) - 0.08
    scale = logits_scale(network, twin, lambda: images.real(images.train_images[:64]))
    real = images.real(images.test_images[:64])
    with torch.no_grad():
        ratio = network.eval()(real).std() / twin.eval()(real).std()
    assert 0.6 < ratio / scale < 1.4


@pytest.mark.parametrize("activation_bits", [8, 32])
def test_a_training_from_a_twin_is_good_after_two_epochs(tmp_path, activation_bits):
    options = {"data_folder": tmp_path, "progress": False}
    twin = train("small_resnet", "digits", out=tmp_path / "twin", method="float", epochs=6, **options)
    recipe = choose_recipe("digits", from_twin=True, epochs=2)
    start = {"out": tmp_path / "run", "start": tmp_path / "twin", "activation_bits": activation_bits}
    result = train("small_resnet", "digits", recipe=recipe, **start, **options)
    assert result.accuracy > twin.accuracy - 0.1 > 0.8


def test_another_network_is_no_twin(tmp_path):
    options = {"data_folder": tmp_path, "recipe": choose_recipe("digits", epochs=1), "progress": False}
    train("mlp", "digits", out=tmp_path / "twin", method="float", **options)
    with pytest.raises(RunError, match="a run of mlp with method float, only a float run of the same model, small_res"):
        train("small_resnet", "digits", out=tmp_path / "run", start=tmp_path / "twin", **options)
    assert not (tmp_path / "run").exists()


def test_factors_are_rounded_later_and_scales_frozen_last():
    network = convert(build_model("small_resnet", (1, 8, 8), 10), image=TensorFormat(8, 0, 8))
    module = TrainingModule(network, choose_recipe("digits", soft=0.8, freeze=0.1), 10)
    seen = []
    for step in (0, 40, 60, 80, 89, 95):
        module.trainer = SimpleNamespace(estimated_stepping_batches=100, global_step=step)
        module.on_train_batch_start(None, 0)
        block = next(m for m in network.modules() if isinstance(m, ShiftBlock))
        seen.append((round(block.hardness, 6), block.quantizer.latent_exponent.requires_grad))
    assert seen == [(0, True), (0, True), (0.5, True), (1, True), (1, True), (1, False)]


@pytest.mark.parametrize(
    ("arguments", "changes", "lr", "ratio"),
    [
        (("cifar10", "s3"), {}, 0.1, 30),
        (("cifar10", "denseshift"), {}, 0.1, 30),
        (("cifar10", "s3", "random"), {}, 0.2, 100),
        (("cifar10", "s3"), {"from_twin": False}, 0.2, 100),
        (("cifar10", "s3"), {"lr": 0.05, "latent_lr": 0.5}, 0.05, 50),
        (("digits", "denseshift"), {}, 0.1, 100),
        (("cifar10", "float"), {}, 0.2, 100),
    ],
)
def test_the_rates_follow_the_start_and_the_latents_spread(arguments, changes, lr, ratio):
    recipe = choose_recipe(*arguments, **changes)
    assert recipe.lr == lr and round(recipe.latent_lr / recipe.latent_std, 9) == ratio
    assert recipe.from_twin == (recipe.distillation > 0) or "from_twin" in changes
    assert recipe.tied == (recipe.from_twin and arguments[1] == "s3") and not recipe.learned_spread


@pytest.mark.parametrize("activation_bits", [8, 32])
def test_method_s3_has_tied_latents_where_the_recipe_says_so(activation_bits):
    images = load_digits()
    for changes, kind, learned in (
        ({}, S3, None),
        ({"tied": True}, TiedS3, False),
        ({"from_twin": True}, TiedS3, False),
        ({"from_twin": True, "learned_spread": True}, TiedS3, True),
        ({"from_twin": True, "tied": False}, S3, None),
    ):
        recipe = choose_recipe("digits", **changes)
        config = RunConfig("small_resnet", "digits", "s3", 3, activation_bits, True, 0, None, None, recipe)
        methods = [method for _, _, method, _ in weight_methods(build(config, images))]
        assert len(methods) == 7 and all(type(method) is kind for method in methods)
        assert all(getattr(method, "learned_spread", None) == learned for method in methods)


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe 'magic' is unknown, supported are default, random, paper"):
        choose_recipe("digits", name="magic")


@pytest.mark.parametrize(("bits", "activation_bits"), [(3, 8), (5, 8), (5, 32)])
def test_mixed_precision_leaves_the_latents_and_the_weights_of_s3_alone(tmp_path, monkeypatch, bits, activation_bits):
    weights, read = [], set()
    forward, convolve = S3.forward, nn.Conv2d._conv_forward

    def watched(self, latents):
        weights.append((latents.dtype, forward(self, latents).detach().clone()))
        return forward(self, latents)

    def convolving(self, x, weight, bias):
        y = convolve(self, x, weight, bias)
        if self.training:
            read.add((weight.dtype, y.dtype))
            assert torch.equal(weight.bfloat16().float(), weight)
        return y

    monkeypatch.setattr(S3, "forward", watched)
    monkeypatch.setattr(nn.Conv2d, "_conv_forward", convolving)
    # The look at the first batch's logits is in float32, before the training.
    monkeypatch.setattr("s3train.train.logits_scale", lambda *arguments: 20.0)
    recipe = choose_recipe("digits", epochs=1, precision="bf16-mixed")
    options = {"bits": bits, "activation_bits": activation_bits, "recipe": recipe, "progress": False}
    out = tmp_path / "run"
    train("small_resnet", "digits", out=out, data_folder=tmp_path, **options)
    # Layers compute in bfloat16, or this test would say nothing.
    assert read == {(torch.float32, torch.bfloat16)}
    assert len(weights) > 7 * 22
    alphabet = {0.0} | {sign * 2.0**k for k in range(2 ** (bits - 1) - 1) for sign in (-1, 1)}
    for dtype, weight in weights:
        assert dtype == weight.dtype == torch.float32 and set(weight.unique().tolist()) <= alphabet
    kept = torch.load(out / "last.ckpt", weights_only=True)
    (optimizer,) = kept["optimizer_states"]
    momenta = [
        value for one in optimizer["state"].values() for value in one.values() if isinstance(value, torch.Tensor)
    ]
    latents = [value for name, value in kept["state_dict"].items() if "parametrizations" in name]
    assert len(latents) == 7 and len(momenta) >= 7
    assert all(value.dtype == torch.float32 for value in (*momenta, *latents))

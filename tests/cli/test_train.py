"""``shiftforge train``: configuration files, refusals, what a run leaves behind."""

import errno
import json
import math
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import s3train.train
from cli.main import app
from s3train.config_file import ConfigError, read_config_file
from s3train.data import DATASETS, MemoryImages, load_digits
from s3train.data.folder import FolderImages
from s3train.formats import TensorFormat
from s3train.runs import build

runner = CliRunner()
# Written out it would fill any memory.
DOUBLING = "model: " + "".join(f"[&a{n} " for n in range(60)) + "x" + "".join(f", *a{n}]" for n in reversed(range(60)))
ROOT = Path(__file__).parents[2]


def train(*arguments):
    return runner.invoke(app, ["train", *[str(a) for a in arguments]])


def refused(result, *words):
    assert result.exit_code == 1, result.output
    text = " ".join(result.stderr.split())
    assert text.startswith("error: ") and "Traceback" not in text
    for word in words:
        assert word in text


def test_a_run_keeps_what_made_it(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("model: mlp\nseed: 4\nsettings: {epochs: 9, latent_lr: 2}\n")
    result = train("--config", config, "--epochs", 2, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output + result.stderr
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (kept["model"], kept["seed"], kept["recipe"]["epochs"], kept["recipe"]["latent_lr"]) == ("mlp", 4, 2, 2.0)
    assert {"shiftforge", "torch"} < json.loads((tmp_path / "run" / "versions.json").read_text()).keys()
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["accuracy"] == found["integer_accuracy"] and 0 <= found["zeros"] < 0.5 < found["accuracy"]
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert {"last.ckpt", "model.safetensors", "logs"} <= names and not any(".tmp" in name for name in names)
    header = next((tmp_path / "run" / "logs").rglob("metrics.csv")).read_text().splitlines()[0]
    for column in ("zeros/", "sign_flips/", "shift_2/", "gradient/"):
        assert column in header


def test_another_run_is_refused_or_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train("mlp", "--epochs", 2, "--out", "run").exit_code == 0
    kept = {file: file.read_bytes() for file in Path("run").rglob("*") if file.is_file()}
    for resume in ([], ["--resume"]):
        refused(
            train("mlp", "--epochs", 3, "--seed", 1, "--out", "run", *resume),
            "run: holds a run with seed 0, wanted is 1; choose another folder, or give it up with --overwrite",
        )
    refused(train("mlp", "--out", "run", "--resume", "--overwrite"), "--resume goes on with a run and --overwrite")
    assert {file: file.read_bytes() for file in Path("run").rglob("*") if file.is_file()} == kept
    assert train("mlp", "--epochs", 1, "--seed", 1, "--out", "run", "--overwrite").exit_code == 0
    assert json.loads(Path("run/config.json").read_text())["seed"] == 1


def test_runs_that_differ_are_in_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["--activation-bits", 4], ["--recipe", "paper"], ["--method", "float"]):
        assert train("mlp", "--epochs", 1, *arguments).exit_code == 0
    names = {folder.name for folder in Path("runs").iterdir()}
    assert names == {
        f"mlp-digits-{n}" for n in ("s33-a8-e1-s0", "s33-a4-e1-s0", "s33-a8-e1-s0-paper", "float-a32-e1-s0")
    }


def test_an_overwriting_run_that_is_interrupted_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(lightning.Trainer, "fit", interrupted)
    for option, said in (([], False), (["--overwrite"], True)):
        result = train("mlp", "--epochs", 1, "--out", tmp_path / "run", *option)
        assert result.exit_code == 130 and ("leave out --overwrite" in result.output) == said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vgg"], ["model 'vgg' is unknown", "resnet8"]),
        (["mlp", "--method", "ternary"], ["weight method 'ternary' is unknown, supported are float, s3", "denseshift"]),
        (["mlp", "--method", "uniform", "--bits", "5"], ["uniform has 4 or 8 bits, got 5"]),
        (["mlp", "--bits", "9"], ["s3 has 2 to 5 bits, got 9"]),
        (["mlp", "--activation-bits", "9"], ["2 to 8 bits, or 32", "got 9"]),
        (["mlp", "--recipe", "secret"], ["recipe 'secret' is unknown", "paper"]),
        (["--config", "/dev/zero"], ["/dev/zero: not a file"]),
        (["mlp", "--seed", "-1"], ["a seed is 0 to 16777215, got -1"]),
        (["mlp", "--epochs", "0"], ["recipe field epochs is 0, supported are 1 to"]),
        (["mlp", "--data", "cifar100"], ["train.bin: cannot be read", "https://"]),
        (["mlp", "--resume"], ["no interrupted run here"]),
        (["mlp", "--teacher", "nowhere"], ["nowhere: no finished run here"]),
        (["autoencoder"], ["autoencoder gives its input back", "classes of digits", "mlp, small_resnet, resnet8"]),
        (["resnet8", "--data", "cifar10", "--bits", "9"], ["error: s3 has 2 to 5 bits, got 9"]),
        (["resnet8", "--data", "cifar10", "--teacher", "nowhere"], ["nowhere: no finished run here"]),
        (["lenet5"], ["28x28 or 32x32", "8x8"]),
        ([], ["say which model"]),
    ],
)
def test_bad_arguments_leave_nothing_behind(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, "cifar10", lambda folder: little_cifar())
    refused(train(*arguments), *words)
    assert not any(tmp_path.rglob("*"))


def test_a_teacher_is_a_float_run_on_images_of_the_same_form(tmp_path):
    assert train("mlp", "--epochs", 1, "--out", tmp_path / "s3").exit_code == 0
    refused(
        train("mlp", "--teacher", tmp_path / "s3", "--out", tmp_path / "run"),
        "s3: a run with method s3, only a float run can be a teacher",
    )
    assert train("mlp", "--method", "float", "--epochs", 1, "--out", tmp_path / "float").exit_code == 0
    config = tmp_path / "float" / "config.json"
    images = FolderImages("imagenet", make_images(tmp_path / "imagenet"), 32)
    config.write_text(config.read_text().replace('"digits"', '"imagenet"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "imagenet", lambda folder: images)
        patch.setattr("s3train.runs.build", lambda config, images: build(config, load_digits()))
        refused(
            train("mlp", "--teacher", tmp_path / "float", "--out", tmp_path / "run"),
            "float: a run on imagenet, images (3, 32, 32) of 2 classes; digits has (1, 8, 8) of 10",
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: mlp\nout: ''", "field out is empty; leave it out for its usual value"),
        ("sedd: 3", "field 'sedd' is unknown, supported are model"),
        ("seed: three", "field seed is 'three', wanted is int"),
        ("seed: true", "field seed is True, wanted is int"),
        ("settings: {epochs: 1.5}", "field settings.epochs is 1.5, wanted is int"),
        ("settings: {epoch: 1}", "field settings.'epoch' is unknown"),
        ("epochs: 3\nsettings: {epochs: 3}", "field epochs is given twice, at the top and under settings"),
        ("epochs: three", "field epochs is 'three', wanted is int"),
        ("settings: [1]", "settings must be a mapping"),
        ("- 1", "must be a mapping"),
        ("a: [", "not YAML"),
        (DOUBLING, "field model is [["),
    ],
)
def test_bad_configuration_files_are_refused(tmp_path, text, words):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config_file(file)
    assert words in str(error.value) and "c.yaml" in str(error.value)


def test_a_configuration_file_has_the_epochs_where_the_options_have_them(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("model: mlp\nepochs: 3\n")
    assert read_config_file(file) == ({"model": "mlp"}, {"epochs": 3})


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_file_in_the_way_of_the_folder_is_said(tmp_path, out):
    (tmp_path / "file").write_text("mine")
    refused(train("mlp", "--epochs", 1, "--out", tmp_path / out), f"{out}: a file is in the way of the run's folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_loss_that_is_not_a_number_names_step_and_layer(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("model: mlp\nmethod: float\nsettings: {epochs: 2, lr: 1.0e+30}\n")
    refused(
        train("--config", config, "--out", tmp_path / "run"), "the loss is nan at step", "from the output of layer '"
    )
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    assert train("mlp", "--epochs", 1, "--out", tmp_path / "run").exit_code == 0
    (tmp_path / "run" / "result.json").unlink()
    before = (tmp_path / "run" / "last.ckpt").read_bytes()
    config = tmp_path / "run" / "config.json"
    fields = json.loads(config.read_text())
    fields["recipe"]["epochs"] = 3
    config.write_text(json.dumps(fields))

    write = Path.write_bytes

    def full(self, content):
        if "last.ckpt" not in self.name:
            return write(self, content)
        write(self, content[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    refused(train("mlp", "--epochs", 3, "--out", tmp_path / "run"), "No space left on device", "last.ckpt")
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == before
    assert not list((tmp_path / "run").glob(".*"))


def little_cifar():
    pixels = torch.randint(0, 256, (130, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(130) % 10
    return MemoryImages(
        "cifar10", TensorFormat(8, 128, 7), pixels, labels, pixels[:20], labels[:20], shift=4, flip=True
    )


def test_the_float_twin_comes_first_and_is_used_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, "cifar10", lambda folder: little_cifar())
    arguments = ("resnet8", "--data", "cifar10", "--epochs", 1)
    result = train(*arguments)
    assert result.exit_code == 0, result.output + result.stderr
    twin = Path("runs/resnet8-cifar10-float-a32-e1-s0")
    assert f"from its float twin in {twin}" in " ".join(result.output.split())
    kept = json.loads(Path("runs/resnet8-cifar10-s33-a8-e1-s0/config.json").read_text())
    assert kept["teacher"] == kept["start"] == f"../{twin.name}"
    before = (twin / "result.json").stat().st_mtime_ns
    # From Python it is the same, and a twin that is there is taken.
    options = {"data_folder": tmp_path, "epochs": 1, "progress": False}
    again = s3train.train.train("resnet8", "cifar10", out=Path("runs/resnet8-cifar10-s33-a8-e1-s0"), **options)
    assert again.accuracy == json.loads((again.folder / "result.json").read_text())["accuracy"]
    s3train.train.train("resnet8", "cifar10", out=Path("runs/other"), activation_bits=4, **options)
    assert (twin / "result.json").stat().st_mtime_ns == before
    s3train.train.train("resnet8", "cifar10", out=tmp_path / "new" / "run", **options)
    assert (tmp_path / "new" / twin.name / "result.json").exists()


def test_a_teacher_that_the_recipe_does_not_use_is_refused(tmp_path):
    assert train("mlp", "--method", "float", "--epochs", 1, "--out", tmp_path / "float").exit_code == 0
    arguments = ("mlp", "--epochs", 1, "--teacher", tmp_path / "float", "--out", tmp_path / "run")
    refused(
        train(*arguments), f"does not use the teacher {tmp_path}/float, its distillation is 0; leave the teacher out"
    )
    assert not (tmp_path / "run").exists()


def make_images(home):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("ant", "bee"):
            folder = home / part / name
            folder.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(rng.integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(folder / f"{i}.jpeg")
    return home


def test_the_imagenet_recipe_takes_its_first_steps(tmp_path, monkeypatch):
    make_images(tmp_path / "imagenet")
    text = (ROOT / "recipes" / "imagenet-resnet18.yaml").read_text()
    assert "batch: 256" in text and "epochs: 90" in text
    config = tmp_path / "c.yaml"
    config.write_text(text.replace("batch: 256", "batch: 2").replace("epochs: 90", "epochs: 1"))
    monkeypatch.setenv("SHIFTFORGE_DATA", str(tmp_path))
    result = train("--config", config, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["integer_accuracy"] is None and math.isfinite(found["accuracy"])


def test_a_start_and_a_recipe_with_random_weights_exclude_each_other(tmp_path):
    result = train("mlp", "--start", tmp_path, "--recipe", "random", "--out", tmp_path / "run")
    assert result.exit_code == 1 and "recipe random begins with random weights" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: 2020-13-45", "not YAML (month must be in 1..12)"),
        ("epochs: " + "9" * 5000, "not YAML (Exceeds the limit"),
    ],
)
def test_yaml_that_python_cannot_hold_is_refused_with_the_files_name(tmp_path, text, words):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config_file(tmp_path / "run.yaml")
    assert str(error.value).startswith(f"{tmp_path}/run.yaml: {words}")


def test_a_number_beyond_all_floats_is_out_of_range(tmp_path):
    (tmp_path / "run.yaml").write_text("settings: {lr: 1" + 400 * "0" + "}")
    result = train("mlp", "--config", tmp_path / "run.yaml")
    assert result.exit_code == 1 and "recipe field lr is" in " ".join(result.stderr.split())


def test_no_export_is_offered_where_none_is(tmp_path):
    arguments = ("mlp", "--epochs", 1, "--out", tmp_path / "run")
    assert "next: shiftforge export" not in train(*arguments, "--method", "uniform", "--bits", 8).output
    assert "next: shiftforge export" in train(*arguments, "--overwrite").output

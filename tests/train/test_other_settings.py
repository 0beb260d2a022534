"""A folder whose run was made with other settings."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from s3train.lightning_module import TrainingModule
from s3train.recipe import choose_recipe
from s3train.run_config import RunConfig, first_difference, run_name
from s3train.runs import OtherRunError, read_config
from s3train.train import retrain, train

CONFIG = RunConfig("mlp", "digits", "s3", 3, 8, True, 0, "../twin", None, choose_recipe("digits", epochs=1))


def contents(folder):
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_it_is_refused_and_nothing_is_touched(tmp_path):
    out = tmp_path / "run"
    options = {"out": out, "data_folder": tmp_path, "progress": False}
    train("mlp", "digits", epochs=2, **options)
    kept = contents(out)
    assert {"config.json", "result.json", "last.ckpt", "model.safetensors"} < {file.name for file in kept}
    for changes, words in (
        ({"epochs": 3, "seed": 1}, "seed 0, wanted is 1"),
        ({"epochs": 3}, "recipe.epochs 2, wanted is 3"),
        ({"epochs": 2, "activation_bits": 4}, "activation_bits 8, wanted is 4"),
    ):
        with pytest.raises(OtherRunError, match=rf"^{out}: holds a run with {words}; choose another .* --overwrite"):
            train("mlp", "digits", **changes, **options)
    assert contents(out) == kept
    (out / "result.json").unlink()
    with pytest.raises(OtherRunError, match="seed 0, wanted is 1"):
        train("mlp", "digits", epochs=2, seed=1, **options)
    assert contents(out).keys() == kept.keys() - {out / "result.json"}


def test_it_makes_way_where_that_is_wanted(tmp_path):
    options = {"data_folder": tmp_path, "epochs": 1, "progress": False}
    train("mlp", "digits", out=tmp_path / "run", **options)
    train("mlp", "digits", out=tmp_path / "wanted", seed=1, **options)
    (tmp_path / "run" / "logs" / "old").write_text("")
    train("mlp", "digits", out=tmp_path / "run", seed=1, overwrite=True, **options)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "wanted"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (tmp_path / "run" / "logs" / "old").exists()


def test_a_run_that_starts_anew_does_not_go_on_from_a_checkpoint(tmp_path, monkeypatch):
    options = {"out": tmp_path, "data_folder": tmp_path, "epochs": 1, "progress": False}
    train("mlp", "digits", **options)
    steps = []
    step = TrainingModule.training_step
    monkeypatch.setattr(TrainingModule, "training_step", lambda *args: steps.append(1) or step(*args))
    # As another process of the run would see the folder before the first one has cleared it.
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    train("mlp", "digits", overwrite=True, **options)
    assert len(steps) == 22


def test_retraining_clears_what_differs_and_repeats_nothing(tmp_path, monkeypatch):
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "epochs": 1, "progress": False}
    retrain("mlp", "digits", **options)
    second = retrain("mlp", "digits", seed=1, **options)
    monkeypatch.setattr("s3train.train.build", None)
    assert retrain("mlp", "digits", seed=1, **options) == second


def test_spellings_of_a_folder_are_one_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"data_folder": tmp_path, "progress": False}
    train("mlp", "digits", out=Path("twin"), method="float", epochs=1, **options)
    recipe = choose_recipe("digits", epochs=1, distillation=0.5)
    wanted = {"recipe": recipe, "out": tmp_path / "run", **options}
    first = train("mlp", "digits", teacher=Path("twin"), start=Path("twin"), **wanted)
    for teacher in (tmp_path / "twin", Path("run/../twin"), Path(os.path.relpath(tmp_path / "twin"))):
        assert train("mlp", "digits", teacher=teacher, start=tmp_path / "twin", **wanted) == first
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train("mlp", "digits", teacher=tmp_path / "twin", start=Path("../twin"), **wanted) == first
    with pytest.raises(OtherRunError, match=r"holds a run with teacher ../twin, wanted is ../elsewhere/twin; "):
        train("mlp", "digits", teacher=Path("twin"), start=Path("../twin"), **wanted)


def test_a_run_is_not_its_own_teacher(tmp_path):
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "progress": False}
    train("mlp", "digits", method="float", epochs=1, **options)
    kept = contents(tmp_path / "run")
    with pytest.raises(ValueError, match="run: the run's own folder cannot be its teacher or start"):
        train("mlp", "digits", start=tmp_path / "run" / ".", overwrite=True, **options)
    assert contents(tmp_path / "run") == kept


def test_every_setting_makes_a_difference(tmp_path):
    assert first_difference(CONFIG, CONFIG, tmp_path) is None
    changes = {
        "model": "lenet5", "data": "mnist", "method": "apot", "bits": 2, "activation_bits": 4, "first_last": False,
        "seed": 1, "teacher": None, "start": "../twin",
    }  # fmt: skip
    for name, value in changes.items():
        found = first_difference(CONFIG, replace(CONFIG, **{name: value}), tmp_path)
        assert found == (name, getattr(CONFIG, name), value)
    slower = replace(CONFIG, recipe=replace(CONFIG.recipe, lr=0.05))
    assert first_difference(CONFIG, slower, tmp_path) == ("recipe.lr", 0.1, 0.05)
    # Runs of older versions kept the folder as it was given.
    assert first_difference(replace(CONFIG, teacher=str(tmp_path / "twin")), CONFIG, tmp_path / "run") is None


def test_the_usual_name_tells_runs_apart():
    usual = ["resnet8", "cifar10", "s3", 3, 8, 0, 30, "default"]
    assert run_name(*usual) == "resnet8-cifar10-s33-a8-e30-s0"
    others = ["resnet20", "mnist", "denseshift", 2, 4, 1, 20, "paper"]
    names = {run_name(*usual[:i], other, *usual[i + 1 :]) for i, other in enumerate(others)}
    assert len(names | {run_name(*usual)}) == 9
    assert run_name("mlp", "digits", "float", 3, 8, 0, 60) == run_name("mlp", "digits", "float", 32, 32, 0, 60)


def test_a_refused_run_is_in_nobodys_way_and_a_lost_network_is_made_again(tmp_path):
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "progress": False}
    with pytest.raises(ValueError, match="1438 training images are fewer than a batch of 5000"):
        train("mlp", "digits", recipe=choose_recipe("digits", epochs=1, batch=5000), **options)
    first = train("mlp", "digits", epochs=1, **options)
    state = load_file(tmp_path / "run" / "model.safetensors")
    (tmp_path / "run" / "model.safetensors").unlink()
    assert train("mlp", "digits", epochs=1, **options).accuracy == first.accuracy
    again = load_file(tmp_path / "run" / "model.safetensors")
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)


def test_a_start_is_the_start_of_tied_latents(tmp_path):
    options = {"data_folder": tmp_path, "epochs": 1, "progress": False}
    train("mlp", "digits", out=tmp_path / "twin", method="float", **options)
    train("mlp", "digits", out=tmp_path / "run", start=tmp_path / "twin", **options)
    recipe = read_config(tmp_path / "run").recipe
    assert recipe == choose_recipe("digits", epochs=1, from_twin=True) and recipe.tied

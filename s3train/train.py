"""Train a network, keep the run in a folder, and load it again."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hw.graph import Network
from s3train.convert import convert
from s3train.data import ImageData, load_data
from s3train.export import export
from s3train.integer import IntegerModel, predictions
from s3train.lightning_module import Batches, TrainingModule
from s3train.models import build_model
from s3train.recipe import RECIPES, Recipe


class RunError(RuntimeError):
    """A run's folder cannot be used; the sentence says why."""


@dataclass(frozen=True)
class RunConfig:
    """What was trained."""

    model: str
    data: str
    method: str
    bits: int
    activation_bits: int
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class TrainResult:
    """Result of a run.

    Attributes
    ----------
    folder : Path
        Where the run is kept.
    accuracy : float
        Share of the test images that the evaluation model (fake-quantised, or float) classifies right.
    integer_accuracy : float or None
        The same for the integer network; ``None`` in a float run.
    seconds : float
        How long the training took.
    """

    folder: Path
    accuracy: float
    integer_accuracy: float | None
    seconds: float


def train(
    model: str,
    data: str,
    *,
    out: Path,
    data_folder: Path,
    method: str = "s3",
    bits: int = 3,
    activation_bits: int = 8,
    epochs: int | None = None,
    seed: int = 0,
    progress: bool = True,
    recipe: Recipe | None = None,
) -> TrainResult:
    """Train a model on a data set; a finished run is not repeated, an interrupted one goes on.

    Parameters
    ----------
    model, data : str
        Names, see :data:`s3train.models.MODELS` and :data:`s3train.data.DATASETS`.
    out : Path
        Folder of the run: ``config.json``, ``model.safetensors``, ``result.json``, logs, the last checkpoint.
    data_folder : Path
        Where data sets are.
    method : str
        ``"s3"``, or ``"float"`` for the twin with float weights and activations.
    bits, activation_bits : int
        Bits of weights and activations.
    epochs : int or None
        Length of the run instead of the recipe's.
    seed : int
        Seed of initial values, order and augmentation.
    progress : bool
        Show a progress bar.
    recipe : Recipe or None
        Settings instead of the data set's default.
    """
    images = load_data(data, data_folder)
    recipe = recipe or RECIPES[data]
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    config = RunConfig(model, data, method, bits, activation_bits, seed, recipe)
    out.mkdir(parents=True, exist_ok=True)
    finished = _finished(out, config)
    if finished is not None:
        return finished
    lightning.seed_everything(seed, verbose=False)
    # One thread: small layers gain nothing from more, and sums in one order make a seed's network the same everywhere.
    torch.set_num_threads(1)
    network = _build(config, images)
    module = TrainingModule(network, recipe, images.classes)
    begin = time.monotonic()
    trainer = _trainer(out, config, progress)
    checkpoint = out / "last.ckpt"
    validation = DataLoader(TensorDataset(images.real(images.test_images), images.test_labels), batch_size=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trainer.fit(
                module,
                DataLoader(Batches(images, recipe.batch), batch_size=None),
                validation,
                ckpt_path=str(checkpoint) if checkpoint.exists() else None,
                weights_only=True,
            )
        except SystemExit as error:
            # Lightning's way to end after Ctrl-C; the last epoch's checkpoint is there.
            raise KeyboardInterrupt from error
    seconds = time.monotonic() - begin
    temporary = out / ".model.safetensors.tmp"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, temporary)
    os.replace(temporary, out / "model.safetensors")
    accuracy = _accuracy(network, images)
    integer = None if method == "float" else integer_accuracy(network, images)
    result = {"accuracy": accuracy, "integer_accuracy": integer, "seconds": seconds}
    _write_json(out / "result.json", result)
    return TrainResult(out, accuracy, integer, seconds)


def load_run(folder: Path, data_folder: Path) -> tuple[nn.Module, RunConfig, ImageData]:
    """Return the trained model of a finished run, what it is, and its data.

    Raises
    ------
    RunError
        If there is no finished run in the folder, or it is damaged.
    """
    try:
        config = _config(json.loads((folder / "config.json").read_text()))
        state = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no finished run here ({Path(error.filename or 'file').name} is missing)") from error
    except Exception as error:
        raise RunError(f"{folder}: the run is damaged ({error})") from error
    images = load_data(config.data, data_folder)
    model = _build(config, images)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"{folder}: model.safetensors is of another network") from error
    return model.eval(), config, images


def export_run(folder: Path, data_folder: Path) -> tuple[Network, nn.Module, ImageData]:
    """Return the integer network of a finished run, its model, and its data."""
    model, config, images = load_run(folder, data_folder)
    if config.method == "float":
        raise RunError(f"{folder}: a run with float weights cannot be exported, train with method s3")
    assert isinstance(model, torch.fx.GraphModule)
    return export(model, images.format, images.shape, name=f"{config.model}-{config.data}"), model, images


def integer_accuracy(model: nn.Module, data: ImageData) -> float:
    """Return the share of test images that the integer reference classifies right."""
    assert isinstance(model, torch.fx.GraphModule)
    reference = IntegerModel(model, data.format)
    right = 0
    for i in range(0, len(data.test_images), 500):
        logits = reference.run(data.test_images[i : i + 500])
        right += int((predictions(logits) == data.test_labels[i : i + 500]).sum())
    return right / len(data.test_images)


@torch.no_grad()
def _accuracy(model: nn.Module, data: ImageData) -> float:
    model.eval()
    right = 0
    for i in range(0, len(data.test_images), 500):
        logits = model(data.real(data.test_images[i : i + 500]))
        right += int((predictions(logits) == data.test_labels[i : i + 500]).sum())
    return right / len(data.test_images)


def _build(config: RunConfig, data: ImageData) -> nn.Module:
    model = build_model(config.model, data.shape, data.classes)
    if config.method == "float":
        return model
    return convert(
        model,
        config.method,
        config.bits,
        image=data.format,
        activation_bits=config.activation_bits,
        std=config.recipe.latent_std,
        gate_offset=config.recipe.gate_offset,
    )


def _trainer(out: Path, config: RunConfig, progress: bool) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    callbacks: list[Any] = [
        ModelCheckpoint(out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
    ]
    if progress:
        callbacks.append(RichProgressBar(leave=False))
    return lightning.Trainer(
        max_epochs=config.recipe.epochs,
        accelerator="cpu",
        devices=1,
        callbacks=callbacks,
        logger=[CSVLogger(out, "logs", "csv"), TensorBoardLogger(out, "logs", "tensorboard")],
        enable_progress_bar=progress,
        enable_model_summary=False,
        check_val_every_n_epoch=max(1, config.recipe.epochs // 15),
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )


def _finished(out: Path, config: RunConfig) -> TrainResult | None:
    """Return the result of an equal, finished run; clear the folder of another one."""
    want = json.loads(json.dumps(asdict(config)))
    file = out / "config.json"
    if file.exists():
        try:
            same = json.loads(file.read_text()) == want
        except ValueError:
            same = False
        if same and (out / "result.json").exists():
            return TrainResult(out, **json.loads((out / "result.json").read_text()))
        if not same:
            for name in ("last.ckpt", "model.safetensors", "result.json"):
                (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / "logs", ignore_errors=True)
    _write_json(file, want)
    return None


def _config(fields: dict[str, Any]) -> RunConfig:
    return RunConfig(**{**fields, "recipe": Recipe(**fields["recipe"])})


def _write_json(path: Path, content: Any) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)

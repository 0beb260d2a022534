"""Train a network; an interrupted run goes on, a finished one is not repeated."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import nn

from s3train.checkpoint import WholeCheckpoints
from s3train.data import ImageData, load_data
from s3train.data.batches import evaluation_loader, training_loader
from s3train.evaluation import accuracy, integer_evaluation
from s3train.interrupt import SaveOnInterrupt, finished_steps
from s3train.lightning_module import TrainingModule, logits_scale
from s3train.recipe import Recipe, choose_recipe
from s3train.run_config import RunConfig
from s3train.runs import (
    CHECKPOINT,
    OtherRunError,
    RunError,
    TrainResult,
    build,
    close_run,
    finished_run,
    load_run,
    locked,
    open_run,
    read_config,
)


def train(
    model: str,
    data: str,
    *,
    out: Path,
    data_folder: Path,
    method: str = "s3",
    bits: int = 3,
    activation_bits: int = 8,
    first_last: bool = True,
    epochs: int | None = None,
    seed: int = 0,
    teacher: Path | None = None,
    start: Path | None = None,
    progress: bool = True,
    recipe: Recipe | None = None,
    overwrite: bool = False,
) -> TrainResult:
    """Train a model on a data set; an interrupted run goes on, a finished one is not repeated.

    Parameters
    ----------
    model, data, method, bits, activation_bits, first_last, seed, teacher, start
        See :class:`s3train.run_config.RunConfig`.
    out : Path
        Folder of the run: ``config.json``, ``versions.json``, ``model.safetensors``, ``result.json``, logs (CSV and
        TensorBoard), the last checkpoint.
    data_folder : Path
        Where data sets are.
    epochs : int or None
        Length of the run instead of the recipe's.
    progress : bool
        Show a progress bar.
    recipe : Recipe or None
        Settings instead of the default for data and method.
    overwrite : bool
        Start anew, whatever run ``out`` holds.

    Raises
    ------
    DataError, ValueError, RunError
        Data, model or method is unknown or damaged, ``out`` holds a run with other settings, the folder of the teacher
        or start is no finished run, or another process trains in ``out``.
    """
    recipe = recipe or choose_recipe(data, method)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    if activation_bits != 32 and not 2 <= activation_bits <= 8:
        raise ValueError(f"activations have 2 to 8 bits, or 32 for float ones, got {activation_bits}")
    if not 0 <= seed < 1 << 24:
        raise ValueError(f"a seed is 0 to {(1 << 24) - 1}, got {seed}")
    if method == "float":
        bits = activation_bits = 32
    names = {"teacher": _seen_from(out, teacher), "start": _seen_from(out, start)}
    config = RunConfig(model, data, method, bits, activation_bits, first_last, seed, recipe=recipe, **names)
    if "." in names.values():
        raise RunError(f"{out}: the run's own folder cannot be its teacher or start; choose another folder for the run")
    finished = None if overwrite else finished_run(out, config)
    if finished is not None:
        return finished
    images = load_data(data, data_folder)
    lightning.seed_everything(seed, verbose=False)
    twin = _float_twin(start, model, images, data_folder) if start is not None else None
    # A twin comes in evaluation mode, and Lightning leaves modes as they are.
    network = build(config, images, twin).train()
    guide = None
    if teacher is not None:
        # A float run that goes on trains its twin itself, so the teacher must be another network.
        shared = names["teacher"] == names["start"] and method != "float"
        guide = twin if shared else _float_model(teacher, images, data_folder)
    rank = process_share()[0]
    with locked(out) if rank == 0 else nullcontext():
        finished = open_run(out, config, overwrite=overwrite, write=rank == 0)
        if finished is not None:
            return finished
        progress = progress and rank == 0
        return _train(network, config, images, out, guide, twin, fresh=overwrite, progress=progress)


def retrain(model: str, data: str, **options: Any) -> TrainResult:
    """Train in a folder that anyone can do without: a run with other settings makes way. Parameters as of `train`."""
    try:
        return train(model, data, **options)
    except OtherRunError:
        return train(model, data, **options, overwrite=True)


def _seen_from(out: Path, folder: Path | None) -> str | None:
    """Return a folder's path from a run's own, so that both may move, and every spelling is the same."""
    return None if folder is None else os.path.relpath(folder.resolve(), out.resolve())


def _train(
    network: nn.Module,
    config: RunConfig,
    images: ImageData,
    out: Path,
    guide: nn.Module | None,
    twin: nn.Module | None,
    *,
    fresh: bool,
    progress: bool,
) -> TrainResult:
    """Train a network, go on where its folder has a checkpoint, and keep the result there."""
    # One thread: small layers gain nothing from more, and a seed's network does not depend on how many cores there are.
    torch.set_num_threads(1)
    scale = logits_scale(network, twin) if twin is not None and config.method != "float" else 20.0
    module = TrainingModule(network, config.recipe, images.classes, guide, scale, twin)
    seconds = _fit(module, config, images, out, fresh=fresh, progress=progress)
    summary = module.watch.summary(network)
    found: tuple[float, float | None, int | None] = (
        integer_evaluation(network, images) if config.integer else (accuracy(network, images), None, None)
    )
    right, integer_right, differing = found
    flips = summary.get("sign_flips")
    result = TrainResult(out, right, integer_right, seconds, summary.get("zeros"), flips, differing)
    if process_share()[0] == 0:
        close_run(result, network)
    return result


def process_share() -> tuple[int, int]:
    """Return (rank, number of processes), as ``torchrun`` says."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _float_twin(folder: Path, model: str, images: ImageData, data_folder: Path) -> nn.Module:
    """Return the trained float model of a finished run, which the network starts from."""
    config = read_config(folder)
    if config.method == "float" and config.model == model:
        return _float_model(folder, images, data_folder)
    raise RunError(
        f"{folder}: a run of {config.model} with method {config.method}, "
        f"only a float run of the same model, {model}, can be started from"
    )


def _float_model(folder: Path, images: ImageData, data_folder: Path) -> nn.Module:
    """Return the trained float model of a finished run on images of the same form."""
    model, config, found = load_run(folder, data_folder)
    if config.method != "float":
        raise RunError(f"{folder}: a run with method {config.method}, only a float run can be a teacher")
    if (found.shape, found.classes) != (images.shape, images.classes):
        raise RunError(
            f"{folder}: a run on {config.data}, images {found.shape} of {found.classes} classes; "
            f"{images.name} has {images.shape} of {images.classes}"
        )
    return model


def _fit(
    module: TrainingModule, config: RunConfig, images: ImageData, out: Path, *, fresh: bool, progress: bool
) -> float:
    """Return how many seconds the training took, in all its sittings."""
    recipe = config.recipe
    timer = Timer()
    trainer = _trainer(out, recipe, timer, progress)
    checkpoint = out / CHECKPOINT
    # Where the run starts anew, other processes may still see the checkpoint that the first one deletes.
    goes_on = checkpoint.exists() and not fresh
    done = finished_steps(checkpoint) if goes_on else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trainer.fit(
                module,
                training_loader(images, recipe.batch, config.seed, *process_share(), done=done),
                evaluation_loader(images),
                ckpt_path=str(checkpoint) if goes_on else None,
                weights_only=True,
            )
        except RuntimeError as error:
            if "state_dict" not in str(error):
                raise
            raise ValueError(f"{checkpoint}: a checkpoint of another network; delete it to start again") from error
        except SystemExit as error:
            # Lightning's way to end after Ctrl-C; the checkpoint is written.
            raise KeyboardInterrupt from error
    seconds: float = timer.time_elapsed()
    return seconds


def _trainer(out: Path, recipe: Recipe, timer: Timer, progress: bool) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    callbacks: list[Any] = [
        ModelCheckpoint(out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True),
        SaveOnInterrupt(out / CHECKPOINT),
        timer,
    ]
    if progress:
        callbacks.append(RichProgressBar(leave=False))
    world = process_share()[1]
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        # The activation scales get no gradient in the frozen last steps.
        strategy="ddp_find_unused_parameters_true" if world > 1 else "auto",
        use_distributed_sampler=False,
        precision=recipe.precision,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=[CSVLogger(out, "logs", "csv"), TensorBoardLogger(out, "logs", "tensorboard")],
        enable_progress_bar=progress,
        enable_model_summary=False,
        # All test images through the exact evaluation model take a good part of an epoch's time.
        check_val_every_n_epoch=max(1, recipe.epochs // 5),
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )

"""Train a network; an interrupted run goes on, a finished one is not repeated."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from rich.console import Console
from torch import nn

from s3train.data import DATASETS, ImageData, load_data
from s3train.data.batches import Batches
from s3train.evaluation import accuracy, integer_evaluation
from s3train.field_types import has_type
from s3train.fit import fit
from s3train.formats import UnsupportedModelError
from s3train.lightning_module import TrainingModule
from s3train.logits_scale import logits_scale
from s3train.models import CLASSIFIERS, MODELS
from s3train.processes import process_share
from s3train.recipe import Recipe, choose_recipe
from s3train.reparam import METHODS, make_method
from s3train.run_config import RunConfig, run_name
from s3train.runs import (
    OtherRunError,
    TrainResult,
    build,
    checked,
    close_run,
    finished_run,
    keep_network,
    locked,
    open_run,
)
from s3train.twin import float_model, float_twin


def train(
    model: str,
    data: str,
    *,
    out: str | Path,
    data_folder: str | Path,
    method: str = "s3",
    bits: int = 3,
    activation_bits: int = 8,
    first_last: bool = True,
    epochs: int | None = None,
    seed: int = 0,
    teacher: str | Path | None = None,
    start: str | Path | None = None,
    progress: bool = True,
    recipe: Recipe | None = None,
    overwrite: bool = False,
) -> TrainResult:
    """Train a model on a data set; an interrupted run goes on, a finished one is not repeated.

    Parameters
    ----------
    model, data, method, bits, activation_bits, first_last, seed, teacher, start
        See :class:`s3train.run_config.RunConfig`. Where the recipe wants a teacher or a start and there is none, it is
        the float twin (same model, data, length and seed), which is trained first, in a folder beside ``out``.
    out : str or Path
        Folder of the run: ``config.json``, ``versions.json``, ``model.safetensors``, ``result.json``, logs (CSV and
        TensorBoard), the last checkpoint.
    data_folder : str or Path
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
        Data, model or method is unknown or damaged, the model is no classifier, the recipe does not use the teacher,
        ``out`` holds a run with other settings, the folder of the teacher or start is no finished run, or another
        process trains in ``out``.
    """
    out, data_folder = Path(out), Path(data_folder)
    teacher, start = (None if folder is None else Path(folder) for folder in (teacher, start))
    recipe = recipe or choose_recipe(data, method, from_twin=True if start is not None else None)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    _check(model, data, method, bits, activation_bits, seed)
    if method == "float":
        bits = activation_bits = 32
    twin_folder = out.parent / run_name(model, data, "float", 32, 32, seed, recipe.epochs)
    given = [folder for folder in (teacher, start) if folder is not None]
    if method != "float":
        teacher = twin_folder if teacher is None and recipe.distillation else teacher
        start = twin_folder if start is None and recipe.from_twin else start
    names = {"teacher": _seen_from(out, teacher), "start": _seen_from(out, start)}
    config = RunConfig(model, data, method, bits, activation_bits, first_last, seed, recipe=recipe, **names)
    if "." in names.values():
        raise ValueError(
            f"{out}: the run's own folder cannot be its teacher or start; choose another folder for the run"
        )
    finished = None if overwrite else finished_run(out, config)
    if finished is not None:
        return checked(finished)
    images = load_data(data, data_folder)
    rank = process_share()[0]
    progress = progress and rank == 0
    if twin_folder in {teacher, start} - set(given):
        # What is wrong with the settings is said before the twin's training, not after it.
        build(config, images)
        for folder in given:
            float_model(folder, images, data_folder)
        if progress:
            said = f"the shift network learns from its float twin in {twin_folder}, which is trained first if need be"
            Console(markup=False, emoji=False, highlight=False).print(said)
        options: dict[str, Any] = {"data_folder": data_folder, "progress": progress}
        train(model, data, out=twin_folder, method="float", epochs=recipe.epochs, seed=seed, **options)
    lightning.seed_everything(seed, verbose=False)
    twin = float_twin(start, model, images, data_folder) if start is not None else None
    # A twin comes in evaluation mode, and Lightning leaves modes as they are.
    network = build(config, images, twin).train()
    guide = None
    if teacher is not None:
        # A float run that goes on trains its twin itself, so the teacher must be another network.
        shared = names["teacher"] == names["start"] and method != "float"
        guide = twin if shared else float_model(teacher, images, data_folder)
        if not recipe.distillation:
            raise ValueError(
                f"the recipe does not use the teacher {teacher}, its distillation is 0; leave the teacher out, or say "
                f"how much of the loss it is (distillation under settings, up to 1)"
            )
    with locked(out) if rank == 0 else nullcontext():
        finished = open_run(out, config, overwrite=overwrite, write=rank == 0)
        if finished is not None:
            return checked(finished)
        return _train(network, config, images, out, guide, twin, fresh=overwrite, progress=progress)


def retrain(model: str, data: str, **options: Any) -> TrainResult:
    """Train in a folder that anyone can do without: a run with other settings makes way. Parameters as of `train`."""
    try:
        return train(model, data, **options)
    except OtherRunError:
        return train(model, data, **{**options, "overwrite": True})


def _check(model: str, data: str, method: str, bits: int, activation_bits: int, seed: int) -> None:
    """Raise ``ValueError`` for what no training has."""
    if model in MODELS and model not in CLASSIFIERS:
        raise ValueError(
            f"model {model} gives its input back, it cannot learn the classes of {data}; every data set "
            f"({', '.join(DATASETS)}) trains the classifiers that take its images: {', '.join(CLASSIFIERS)}"
        )
    for name, number in (("bits", bits), ("activation_bits", activation_bits), ("seed", seed)):
        if not has_type(number, int):
            raise ValueError(f"{name} is {number!r}, wanted is int")
    if method not in ("float", *METHODS):
        raise ValueError(f"weight method {method!r} is unknown, supported are float, {', '.join(METHODS)}")
    if method != "float":
        # Under the name that was asked for, whatever the recipe makes of it.
        make_method(method, bits)
    if activation_bits != 32 and not 2 <= activation_bits <= 8:
        raise ValueError(f"activations have 2 to 8 bits, or 32 for float ones, got {activation_bits}")
    if not 0 <= seed < 1 << 24:
        raise ValueError(f"a seed is 0 to {(1 << 24) - 1}, got {seed}")


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
    batches = Batches(images, config.recipe.batch, config.seed)
    scale = logits_scale(network, twin, lambda: batches[0, 0][0])
    module = TrainingModule(network, config.recipe, images.classes, guide, scale, twin)
    seconds, trainer = fit(module, config, images, out, fresh=fresh, progress=progress)
    first = process_share()[0] == 0
    if first:
        # Whatever the evaluation finds, the network is there.
        keep_network(out, network)
    summary = module.watch.summary(network)
    integer_right = differing = refusal = None
    if config.integer:
        try:
            right, integer_right, differing = integer_evaluation(network, images)
        except UnsupportedModelError as error:
            refusal = str(error)
    if integer_right is None:
        right = accuracy(network, images)
    flips = summary.get("sign_flips")
    result = TrainResult(out, right, integer_right, seconds, summary.get("zeros"), flips, differing, refusal)
    if first:
        close_run(result)
    # What other processes go on with, such as a twin, is there for all of them.
    trainer.strategy.barrier()
    return checked(result)

"""Trains a converted model of one's own."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
from torch import nn
from torch.utils.data import DataLoader

from s3train.lightning_module import TrainingModule
from s3train.logits_scale import logits_scale
from s3train.recipe import Recipe, choose_recipe


def fine_tune(
    model: nn.Module,
    batches: Any,
    *,
    classes: int,
    epochs: int = 10,
    teacher: nn.Module | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: bool = True,
) -> nn.Module:
    """Train what :func:`s3train.convert` made of a model, with the settings of ``shiftforge train``.

    Parameters
    ----------
    model : Module
        The converted model; trained in place, and in evaluation mode afterwards.
    batches : DataLoader, or a list
        Of ``(images, labels)``: float images as the model sees them, int64 labels. A DataLoader that shuffles changes
        their order from epoch to epoch, a list does not.
    classes : int
        Number of classes.
    epochs : int
        Passes over ``batches``.
    teacher : Module or None
        The trained float model: nine tenths of the loss are then the distance to its softened classes.
    recipe : Recipe or None
        Other settings; its ``batch`` counts for nothing here.
    seed : int
        Seed of what training draws.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Module
        ``model``.
    """
    if recipe is None:
        settings = {"from_twin": True, "distillation": 0.9} if teacher is not None else {"from_twin": True}
        recipe = choose_recipe("", "s3", epochs=epochs, **settings)
    scale = logits_scale(model, teacher, lambda: next(iter(batches))[0])
    # After the look at a batch, which draws an order of its own.
    lightning.seed_everything(seed, verbose=False)
    module = TrainingModule(model.train(), recipe, classes, None if teacher is None else teacher.eval(), scale)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator="auto",
        devices=1,
        precision=recipe.precision,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )
    if isinstance(batches, list | tuple):
        # Lightning would take a list for several loaders side by side.
        batches = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trainer.fit(module, batches)
        except SystemExit as error:
            # Lightning's way to end after Ctrl-C.
            raise KeyboardInterrupt from error
    return model.eval()

"""Lightning's trainer for a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from s3train.checkpoint import WholeCheckpoints
from s3train.curves import begin_sitting
from s3train.data import ImageData
from s3train.data.batches import evaluation_loader, training_loader
from s3train.interrupt import SaveOnInterrupt, finished_steps
from s3train.lightning_module import TrainingModule
from s3train.processes import local_processes, process_share
from s3train.recipe import Recipe
from s3train.run_config import RunConfig
from s3train.runs import CHECKPOINT


def fit(
    module: TrainingModule, config: RunConfig, images: ImageData, out: Path, *, fresh: bool, progress: bool
) -> tuple[float, lightning.Trainer]:
    """Train, from the folder's checkpoint on unless the run starts anew.

    Returns
    -------
    (seconds that the training took in all its sittings, the trainer)
    """
    recipe = config.recipe
    timer = Timer()
    if process_share()[0] == 0:
        begin_sitting(out)
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
    return seconds, trainer


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
    local = local_processes()
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
        logger=[
            CSVLogger(out, "logs", "csv", flush_logs_every_n_steps=1),
            TensorBoardLogger(out, "logs", "tensorboard"),
        ],
        enable_progress_bar=progress,
        enable_model_summary=False,
        # All test images through the exact evaluation model take a good part of an epoch's time.
        check_val_every_n_epoch=max(1, recipe.epochs // 5),
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )

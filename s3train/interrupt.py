"""Ctrl-C and SIGTERM end a training between two steps, with a checkpoint from which it goes on bit for bit."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

_PARTS = {"state_dict", "optimizer_states", "lr_schedulers", "callbacks", "loops", "epoch", "global_step"}
"""What Lightning goes on from."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SaveOnInterrupt(Callback):
    """Save a checkpoint after the running step, then raise ``KeyboardInterrupt``.

    After an epoch's last step its validation comes first, and the checkpoint is the epoch's own: from one between the
    two, Lightning would not make up for the validation.

    Parameters
    ----------
    path : Path
        The checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked = False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take over the signals; outside the main thread there are none."""
        try:
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        except ValueError:
            self._before = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: Any) -> None:
        """Save and stop, if asked to."""
        if self.asked and not trainer.is_last_batch:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop, if asked to; the epoch before has its checkpoint."""
        self._stop()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop, if asked to; the last epoch has its checkpoint."""
        self._stop()

    def _stop(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._restore()

    def on_exception(self, trainer: lightning.Trainer, *arguments: Any) -> None:
        """Give the signals back."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def finished_steps(checkpoint: Path) -> int:
    """Return how many steps of its epoch a checkpoint has seen.

    Raises
    ------
    ValueError
        If the file is no checkpoint.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        missing = _PARTS - content.keys()
        if missing:
            raise KeyError(min(missing))
        return int(content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"])
    except Exception as error:
        raise ValueError(f"{checkpoint}: damaged or not a checkpoint; delete it to start again") from error

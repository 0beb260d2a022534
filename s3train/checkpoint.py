"""Checkpoints are written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hw.whole_file import write_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, made in their own folder: its own way makes them in the system's temporary one.

    From there, where it is another file system, they would be copied to their name byte by byte.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint; the old one stays until the new one is complete."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(target, content.getvalue())

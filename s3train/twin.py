"""The float networks that a run learns or starts from."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from s3train.data import ImageData
from s3train.runs import RunError, load_run, read_config


def float_twin(folder: Path, model: str, images: ImageData, data_folder: Path) -> nn.Module:
    """Return the trained float model of a finished run, which the network starts from."""
    config = read_config(folder)
    if config.method == "float" and config.model == model:
        return float_model(folder, images, data_folder)
    raise RunError(
        f"{folder}: a run of {config.model} with method {config.method}, "
        f"only a float run of the same model, {model}, can be started from"
    )


def float_model(folder: Path, images: ImageData, data_folder: Path) -> nn.Module:
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

"""The folder of a run: what was trained, what came out, and how to load it again."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import reprlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from filelock import FileLock, Timeout
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import fx, nn

from hw.graph import Network
from hw.whole_file import write_whole
from s3train.convert import convert, convert_weights
from s3train.data import ImageData, load_data
from s3train.export import export
from s3train.models import build_model
from s3train.recipe import Recipe
from s3train.run_config import RunConfig, first_difference

CHECKPOINT = "last.ckpt"
_STATE = "model.safetensors"
_CONFIG = "config.json"
_RESULT = "result.json"
_KEPT = (_RESULT, CHECKPOINT, _STATE)


class RunError(RuntimeError):
    """A run's folder cannot be used; the sentence says why."""


class OtherRunError(RunError):
    """A folder holds a run with other settings; nothing in it was touched."""


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
        The same for the integer network; ``None`` where there is none.
    seconds : float
        How long the training took, all sittings together.
    zeros, sign_flips : float or None
        Shares of all weights, at the end; ``None`` in a float run.
    differing_logits : int or None
        Logits of all test images that differ between the evaluation model and the integer network: 0.
    integer_refusal : str or None
        Why a network that was to have an integer form has none.
    """

    folder: Path
    accuracy: float
    integer_accuracy: float | None
    seconds: float
    zeros: float | None = None
    sign_flips: float | None = None
    differing_logits: int | None = None
    integer_refusal: str | None = None


def build(config: RunConfig, data: ImageData, twin: nn.Module | None = None) -> nn.Module:
    """Return the network of a run before its training, made of the trained float ``twin`` if there is one."""
    model = twin if twin is not None else build_model(config.model, data.shape, data.classes)
    if config.method == "float":
        return model
    options: dict[str, Any] = {
        "recipe": config.recipe,
        "from_weights": config.start is not None,
        "skip": () if config.first_last else _first_and_last(model),
    }
    if config.activation_bits > 8:
        return convert_weights(model, config.method, config.bits, **options)
    options |= {"image": data.format, "activation_bits": config.activation_bits}
    return convert(model, config.method, config.bits, **options)


def _first_and_last(model: nn.Module) -> tuple[str, str]:
    names = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)]
    return names[0], names[-1]


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes from training in a run's folder; ``RunError`` if one does. A killed one keeps nobody out."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{out}: a file is in the way of the run's folder; choose another folder") from error
    lock = FileLock(out / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(f"{out}: another training is under way in this folder; wait for it or choose another") from error
    try:
        yield
    finally:
        lock.release()


def finished_run(out: Path, config: RunConfig) -> TrainResult | None:
    """Return the result of an equal, finished run; ``None`` if it is not finished, or the folder is a new one.

    Raises
    ------
    OtherRunError
        If the folder holds a run with other settings; the sentence names the first one that differs.
    """
    anew = "choose another folder, or give it up with --overwrite (overwrite=True)"
    if not (out / _CONFIG).exists():
        left = [name for name in _KEPT if (out / name).exists()]
        if left:
            raise OtherRunError(f"{out}: holds {left[0]} of a run whose {_CONFIG} is missing; {anew}")
        return None
    try:
        # Read, so that a run from before a setting existed has the setting's default, with which it was made.
        kept = read_config(out)
    except RunError as error:
        raise OtherRunError(f"{error}, so what the run was made with is unknown; {anew}") from error
    difference = first_difference(kept, config, out)
    # A run that was refused before its first step left its settings and nothing that is lost.
    if difference is not None and any((out / name).exists() for name in _KEPT):
        name, one, other = difference
        raise OtherRunError(f"{out}: holds a run with {name} {one}, wanted is {other}; {anew}")
    # Without its network it is finished again from the last checkpoint.
    return read_result(out) if (out / _RESULT).exists() and (out / _STATE).exists() else None


def open_run(out: Path, config: RunConfig, *, overwrite: bool = False, write: bool = True) -> TrainResult | None:
    """Return the result of an equal, finished run; otherwise make the folder ready.

    With ``overwrite`` whatever run is there is deleted. Of several processes that share a run only one may ``write``.

    Raises
    ------
    OtherRunError
        If the folder holds a run with other settings, and ``overwrite`` is not set.
    """
    finished = None if overwrite else finished_run(out, config)
    if finished is not None or not write:
        return finished
    if overwrite:
        for name in _KEPT:
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / "logs", ignore_errors=True)
    write_json(out / _CONFIG, asdict(config))
    packages = ("shiftforge", "torch", "lightning", "numpy", "safetensors", "amaranth")
    versions = {name: importlib.metadata.version(name) for name in packages}
    write_json(out / "versions.json", {"python": platform.python_version(), **versions})
    return None


def read_result(folder: Path) -> TrainResult:
    """Return the result of a finished run; ``RunError`` if there is none, or it is damaged."""
    try:
        fields = json.loads((folder / _RESULT).read_text())
        result = TrainResult(folder, **fields)
        for name, kind in get_type_hints(TrainResult).items():
            value = getattr(result, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"field {name} is {reprlib.repr(value)}")
        return result
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no finished run here ({_RESULT} is missing)") from error
    except Exception as error:
        raise RunError(f"{folder}: {_RESULT} is damaged ({error}); delete it to finish the run again") from error


def keep_network(out: Path, network: nn.Module) -> None:
    """Write the network of a run."""
    # A copy of everything: concatenated tensors share a quantiser, a file has no shared memory.
    state = {name: value.clone().contiguous() for name, value in network.state_dict().items()}
    write_whole(out / _STATE, save_tensors(state))


def close_run(result: TrainResult) -> None:
    """Keep the result of a run, whose network is there: the run is finished."""
    fields = asdict(result)
    del fields["folder"]
    write_json(result.folder / _RESULT, fields)


def checked(result: TrainResult) -> TrainResult:
    """Return a result; ``RunError`` if the integer network is missing or is not what was trained."""
    kept = f"the trained network is kept in {result.folder / _STATE}, its accuracy is {result.accuracy:.2%}"
    if result.integer_refusal is not None:
        raise RunError(f"{result.folder}: no integer network, {result.integer_refusal}; {kept} without one")
    if result.differing_logits:
        raise RunError(
            f"{result.folder}: {result.differing_logits} logits of the test images differ between the evaluation model "
            f"and the integer network, which are to be equal; {kept}, {result.integer_accuracy or 0:.2%} in integers"
        )
    return result


def read_config(folder: Path) -> RunConfig:
    """Return what a run's folder was made for; ``RunError`` if there is none, or it is damaged."""
    try:
        fields = json.loads((folder / _CONFIG).read_text())
        return RunConfig(**{**fields, "recipe": Recipe(**fields["recipe"])})
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no finished run here ({_CONFIG} is missing)") from error
    except Exception as error:
        raise RunError(f"{folder}: {_CONFIG} is damaged ({error})") from error


def load_run(folder: Path, data_folder: Path) -> tuple[nn.Module, RunConfig, ImageData]:
    """Return the trained model of a finished run, what it is, and its data.

    Raises
    ------
    RunError
        If there is no finished run in the folder, or it is damaged.
    """
    config = read_config(folder)
    try:
        state = load_file(folder / _STATE)
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no finished run here ({_STATE} is missing)") from error
    except Exception as error:
        raise RunError(f"{folder}: the run is damaged ({error})") from error
    images = load_data(config.data, data_folder)
    try:
        model = build(config, images)
    except ValueError as error:
        raise RunError(f"{folder}: {_CONFIG} is damaged ({error})") from error
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"{folder}: {_STATE} is of another network") from error
    return model.eval(), config, images


def export_run(folder: Path, data_folder: Path) -> tuple[Network, nn.Module, ImageData]:
    """Return the integer network of a finished run, its model, and its data."""
    model, config, images = load_run(folder, data_folder)
    if not config.integer:
        raise RunError(
            f"{folder}: a run with method {config.method}, {config.activation_bits}-bit activations and "
            f"first and last layer {'in the method' if config.first_last else 'in float'} cannot be exported; "
            f"train with method s3, at most 8 bits and all layers"
        )
    assert isinstance(model, fx.GraphModule)
    return export(model, images.format, images.shape, name=f"{config.model}-{config.data}"), model, images


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_whole(path, json.dumps(content, indent=2) + "\n")

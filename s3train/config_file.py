"""Training settings from a YAML file."""

from __future__ import annotations

import reprlib
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from s3train.field_types import has_type
from s3train.recipe import Recipe

_RUN: dict[str, type] = {
    "model": str,
    "data": str,
    "method": str,
    "bits": int,
    "activation_bits": int,
    "first_last": bool,
    "epochs": int,
    "seed": int,
    "teacher": str,
    "start": str,
    "recipe": str,
    "out": str,
}


class ConfigError(ValueError):
    """A configuration file is unusable; the sentence says where."""


def read_config_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (fields of the run, fields of the recipe) of a YAML file.

    The file is a mapping: the run's fields at the top (``model``, ``data``, ``method``, ``bits``, ``activation_bits``,
    ``first_last``, ``epochs``, ``seed``, ``teacher``, ``start``, ``out``, and ``recipe``: ``default``, ``random`` or
    ``paper``), and under ``settings`` the fields of :class:`s3train.recipe.Recipe` that differ from it, of which
    ``epochs`` may stand at either place.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a field is unknown or of another type.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: not a file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{path}: not YAML ({line})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of field: value")
    settings = content.pop("settings", {}) or {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: settings must be a mapping of field: value")
    recipe_types = {field.name: typing.get_type_hints(Recipe)[field.name] for field in fields(Recipe)}
    run, recipe = _checked(path, "", content, _RUN), _checked(path, "settings.", settings, recipe_types)
    if "epochs" in run:
        if "epochs" in recipe:
            raise ConfigError(f"{path}: field epochs is given twice, at the top and under settings")
        recipe["epochs"] = run.pop("epochs")
    return run, recipe


def _checked(path: Path, prefix: str, found: dict[Any, Any], known: dict[str, type]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in found.items():
        if name not in known:
            field = f"{prefix}{reprlib.repr(name)}"
            raise ConfigError(f"{path}: field {field} is unknown, supported are {', '.join(known)}")
        wanted = known[name]
        if not has_type(value, wanted):
            raise ConfigError(f"{path}: field {prefix}{name} is {reprlib.repr(value)}, wanted is {wanted.__name__}")
        if value == "":
            raise ConfigError(f"{path}: field {prefix}{name} is empty; leave it out for its usual value")
        if wanted is float:
            # What is larger is out of every range.
            value = float(min(max(value, -(10**300)), 10**300))
        checked[name] = value
    return checked

"""What is trained: the settings of a run, its default name, and how two of them differ."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from s3train.field_types import check_fields
from s3train.recipe import Recipe


@dataclass(frozen=True)
class RunConfig:
    """What is trained.

    Attributes
    ----------
    model, data : str
        Names, see :data:`s3train.models.MODELS` and :data:`s3train.data.DATASETS`.
    method : str
        ``"float"``, or one of :data:`s3train.reparam.METHODS`.
    bits : int
        Bits of a weight; 32 in a float run.
    activation_bits : int
        Bits of an activation; 32 leaves activations, batch norm and the logits' bias in float.
    first_last : bool
        First and last layer too have the method's weights.
    seed : int
        Seed of initial values, order and augmentation.
    teacher : str or None
        Folder of the finished run that is distilled, as seen from the run's own folder.
    start : str or None
        Folder of the finished float run whose weights the method starts from, likewise.
    recipe : Recipe
        Settings.
    """

    model: str
    data: str
    method: str
    bits: int
    activation_bits: int
    first_last: bool
    seed: int
    teacher: str | None
    start: str | None
    recipe: Recipe

    def __post_init__(self) -> None:
        check_fields(self, "field")

    @property
    def integer(self) -> bool:
        """Whether the network has an integer form."""
        return self.method != "float" and self.activation_bits <= 8 and self.first_last


def run_name(
    model: str,
    data: str,
    method: str,
    bits: int,
    activation_bits: int,
    seed: int,
    epochs: int,
    recipe: str = "default",
) -> str:
    """Return the name of a run's folder where none is given."""
    if method == "float":
        bits = activation_bits = 32
    weights = method if method == "float" else f"{method}{bits}"
    suffix = "" if recipe == "default" else f"-{recipe}"
    return f"{model}-{data}-{weights}-a{activation_bits}-e{epochs}-s{seed}{suffix}"


def first_difference(kept: RunConfig, wanted: RunConfig, out: Path) -> tuple[str, Any, Any] | None:
    """Return (field, kept value, wanted value) of the first setting that differs, ``None`` if none does.

    Two spellings of a folder are one setting. Older runs kept them as they were given, not as seen from ``out``.
    """
    for field in fields(RunConfig):
        one, other = getattr(kept, field.name), getattr(wanted, field.name)
        if field.name in ("teacher", "start") and one is not None and other is not None:
            if not _places(one, out) & _places(other, out):
                return field.name, one, other
        elif field.name != "recipe" and one != other:
            return field.name, one, other
    for field in fields(Recipe):
        one, other = getattr(kept.recipe, field.name), getattr(wanted.recipe, field.name)
        if one != other:
            return f"recipe.{field.name}", one, other
    return None


def _places(folder: str, out: Path) -> set[Path]:
    return {(out / folder).resolve(), Path(folder).resolve()}

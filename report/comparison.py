"""Two builds side by side, from what their reports say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A figure of both builds.

    Attributes
    ----------
    what, unit : str
        Its name, and its unit or the empty string.
    a, b : number, str or None
        The figure of the first and of the second build; ``None`` where it is not known or there is no such layer.
    """

    what: str
    unit: str
    a: float | str | None
    b: float | str | None

    @property
    def ratio(self) -> float | None:
        """``b / a``, ``None`` where one is not a number or ``a`` is 0."""
        if isinstance(self.a, str) or isinstance(self.b, str) or self.b is None or not self.a:
            return None
        return self.b / self.a

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON types."""
        return {**asdict(self), "ratio": None if self.ratio is None else round(self.ratio, 4)}


def compare_builds(a: dict[str, Any], b: dict[str, Any]) -> list[Row]:
    """Return the figures of two builds: the engines, size and speed, then the clocks of every layer of either.

    Parameters
    ----------
    a, b : dict
        Of :func:`report.facts.collect`.
    """

    def row(what: str, unit: str, *path: str) -> Row:
        return Row(what, unit, _at(a, path), _at(b, path))

    rows = [
        row("network", "", "network", "name"),
        row("board", "", "board", "name"),
        row("accuracy as integers", "", "training", "integer_accuracy"),
        row("weights", "", "engine", "alphabet"),
        row("activations", "bits", "engine", "activation_bits"),
        row("sums", "bits", "engine", "sum_bits"),
        Row("array", "", _array(a), _array(b)),
        row("requantisers", "", "engine", "requantizers"),
        row("clocks an image", "", "speed", "cycles"),
        row("busy", "", "speed", "busy"),
        row("clock", "MHz", "speed", "mhz"),
        row("speed", "images/s", "speed", "images_per_s"),
    ]
    sizes = dict.fromkeys(size["what"] for facts in (a, b) for size in facts["size"])
    for kind in ("predicted", "placed"):
        rows += [Row(f"{what}, {kind}", "", _size(a, what, kind), _size(b, what, kind)) for what in sizes]
    rows.append(row("memory", "words", "memory", "used"))
    rows.append(Row("images equal in simulation", "", _equal(a), _equal(b)))
    layers = dict.fromkeys(layer["name"] for facts in (a, b) for layer in facts["layers"])
    rows += [Row(f"clocks of {name}", "", _clocks(a, name), _clocks(b, name)) for name in layers]
    return rows


def _at(facts: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Return a value inside ``facts``, ``None`` where something on the way is missing."""
    value: Any = facts
    for key in path:
        value = value.get(key) if value is not None else None
    return value


def _array(facts: dict[str, Any]) -> str:
    engine = facts["engine"]
    return f"{engine['rows']} x {engine['cols']}" + (f" x {engine['clusters']}" if engine["clusters"] > 1 else "")


def _size(facts: dict[str, Any], what: str, kind: str) -> int | None:
    found: list[int | None] = [size[kind] for size in facts["size"] if size["what"] == what]
    return found[0] if found else None


def _equal(facts: dict[str, Any]) -> str | None:
    simulation = facts["equality"]["simulation"]
    return f"{simulation['images_equal']} of {simulation['images_checked']}" if simulation else None


def _clocks(facts: dict[str, Any], name: str) -> int | None:
    return next((layer["clocks"] for layer in facts["layers"] if layer["name"] == name), None)

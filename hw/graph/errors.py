"""The one error of this package."""

from __future__ import annotations


class NetworkError(ValueError):
    """Something is wrong with an integer network; one sentence that names the file, node or tensor, and the field."""


def need(ok: bool, message: str) -> None:
    """Raise :class:`NetworkError` with ``message`` unless ``ok``."""
    if not ok:
        raise NetworkError(message)


def need_name(name: object, where: str) -> None:
    """Raise :class:`NetworkError` unless ``name`` can stand in a table, a message and a comment of Verilog."""
    good = isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable()
    need(good, f"{where}: name must be 1 to 200 printable characters")

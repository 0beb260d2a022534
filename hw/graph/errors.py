"""The one error of this package."""

from __future__ import annotations


class NetworkError(ValueError):
    """Something is wrong with an integer network; one sentence that names the file, node or tensor, and the field."""


def need(ok: bool, message: str) -> None:
    """Raise :class:`NetworkError` with ``message`` unless ``ok``."""
    if not ok:
        raise NetworkError(message)

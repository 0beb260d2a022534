"""Settings of a wrong type are refused where they are given, not where they are used."""

from __future__ import annotations

import reprlib
from typing import Any, get_type_hints


def has_type(value: Any, wanted: Any) -> bool:
    """Return whether a value is of a type: ``True`` is no number, and a whole number is a float one."""
    if isinstance(value, bool) or wanted is bool:
        return isinstance(value, bool) and wanted is bool
    return isinstance(value, int | float) if wanted is float else isinstance(value, wanted)


def check_fields(settings: Any, what: str) -> None:
    """Raise ``ValueError`` for the first field of a dataclass whose value is of another type than it says."""
    for name, wanted in get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        if not has_type(value, wanted):
            said = wanted.__name__ if isinstance(wanted, type) else str(wanted)
            raise ValueError(f"{what} {name} is {reprlib.repr(value)}, wanted is {said}")

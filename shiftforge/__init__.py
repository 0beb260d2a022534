"""A PyTorch network goes in, a chip without a single multiplier comes out.

``check`` says beforehand whether a model would build, ``convert`` and ``export`` make integer networks of PyTorch's,
``save`` and ``load`` keep them, ``connect`` runs them on a board. Each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host.connect import connect
    from hw.graph import load, save
    from planner import check
    from s3train import convert, export

_WHERE = {
    "check": "planner",
    "connect": "host.connect",
    "convert": "s3train",
    "export": "s3train",
    "load": "hw.graph",
    "save": "hw.graph",
}

__all__ = ["check", "connect", "convert", "export", "load", "save"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'shiftforge' has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})

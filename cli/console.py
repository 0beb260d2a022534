"""What the verbs share: output, errors, folders."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from rich.console import Console

P = ParamSpec("P")
R = TypeVar("R")

console = Console()
errors = Console(stderr=True)

CACHE = Path("build/.cache")
"""Compiled simulations, netlists and bitstreams by digest."""


def data_folder() -> Path:
    """Return the folder of the data sets: ``SHIFTFORGE_DATA``, or ``data``."""
    return Path(os.environ.get("SHIFTFORGE_DATA", "data"))


def fails_clearly(verb: Callable[P, R]) -> Callable[P, R]:
    """Turn expected errors of a verb into one sentence and exit code 1, an interruption into exit code 130."""

    @functools.wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except KeyboardInterrupt:
            errors.print("interrupted; what was finished is kept, run the command again to go on")
            sys.exit(130)
        except (ValueError, RuntimeError, OSError, FloatingPointError) as error:
            errors.print(f"[red]error:[/red] {str(error) or type(error).__name__}", highlight=False, soft_wrap=True)
            sys.exit(1)

    return wrapped

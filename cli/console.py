"""What the verbs share: output, errors, folders."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from rich.console import Console
from rich.text import Text

P = ParamSpec("P")
R = TypeVar("R")

# Names of files, networks and layers are printed as they are: brackets and colons in them mean nothing.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)

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
            print_error(str(error) or type(error).__name__)
            sys.exit(1)

    return wrapped


def print_error(sentence: str) -> None:
    """Print an error as one line."""
    line = " ".join(sentence.split())
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    errors.print(Text.assemble(("error:", "red"), " ", printable), soft_wrap=True)

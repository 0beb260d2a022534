"""What the verbs share: output, errors, folders."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

P = ParamSpec("P")
R = TypeVar("R")

# Names of files, networks and layers are printed as they are: brackets and colons in them mean nothing.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)

CACHE = Path("build/.cache")
"""Compiled simulations, netlists and bitstreams by digest."""


AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]
"""Option of a verb that begins with :func:`begin_answer` and ends with :func:`answer`."""


def begin_answer(as_json: bool) -> None:
    """Silence the text if JSON is wanted; errors stay sentences on the error output."""
    console.quiet = as_json


def answer(as_json: bool, **fields: Any) -> None:
    """Print the fields as a JSON object if that is wanted; paths become text."""
    if as_json:
        print(json.dumps(fields, indent=2, default=str))


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
        finally:
            console.quiet = False

    return wrapped


def print_error(sentence: str) -> None:
    """Print an error as one line."""
    line = " ".join(sentence.split())
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    errors.print(Text.assemble(("error:", "red"), " ", printable), soft_wrap=True)

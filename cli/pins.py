"""Options that fix a part of the array's shape; the rest is searched."""

from __future__ import annotations

from typing import Annotated

import typer

Cols = Annotated[int | None, typer.Option(help="columns of the array")]
Clusters = Annotated[int | None, typer.Option(help="arrays that work on an image each")]
ColumnsPerRequantizer = Annotated[int | None, typer.Option(help="columns that share a requantiser")]


def pins(**options: int | None) -> dict[str, int]:
    """Return the options that were given, as :func:`hw.systolic.search.search` takes them."""
    return {name: value for name, value in options.items() if value is not None}

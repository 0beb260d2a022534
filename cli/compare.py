"""``shiftforge compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cli.console import AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    first: Annotated[Path, typer.Argument(help="a build folder")],
    second: Annotated[Path, typer.Argument(help="another one")],
    as_json: AsJson = False,
) -> None:
    """Put two builds side by side: engines, size, speed, clocks of every layer.

    Example: shiftforge compare build/resnet8-icebreaker build/resnet8-ulx3s_85f
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from hw.systolic.build import open_build
    from report.comparison import compare_builds
    from report.facts import collect

    facts = []
    for folder in (first, second):
        build = open_build(folder)
        facts.append(collect(build, board_by_name(build.board)))
    rows = compare_builds(*facts)
    for name, folder in (("first", first), ("second", second)):
        console.print(f"{name}: {folder}", soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "first", "second", "second / first"):
        table.add_column(column, justify="right" if column else "left", no_wrap=not column, overflow="fold")
    for row in rows:
        ratio = "" if row.ratio is None or row.ratio == 1 else f"{row.ratio:.3g}"
        what = f"{row.what} ({row.unit})" if row.unit else row.what
        table.add_row(what, _text(row.a), _text(row.b), ratio)
    console.print(table)
    answer(as_json, first=first, second=second, rows=[row.to_json() for row in rows])


def _text(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if isinstance(value, int) or value >= 1000 else f"{value:.4g}"

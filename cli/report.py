"""``shiftforge report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder")],
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a build: layers, clocks, memory, size, speed, what was checked; and the same as JSON.

    Example: shiftforge report build/resnet8
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from hw.systolic.build import open_build
    from report.facts import collect
    from report.page import write_report

    build = open_build(folder)
    facts = collect(build, board_by_name(build.board))
    page = write_report(facts, folder)
    console.print(f"{page}: {page.stat().st_size / 1024:.0f} KiB, and report.json beside it", soft_wrap=True)
    answer(as_json, page=page, **facts)

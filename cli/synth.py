"""``shiftforge synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import CACHE, AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder")],
    seeds: Annotated[int, typer.Option(min=1, help="number of placements")] = 3,
    as_json: AsJson = False,
) -> None:
    """Synthesise, place and route for the board, over several seeds, and write the bitstream of the fastest.

    Example: shiftforge synth build/resnet8
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from bitstreams.clock_choice import build_at_best_clock
    from hw.systolic.build import open_build

    build = open_build(folder)
    board = board_by_name(build.board)
    with console.status("") as status:
        result = build_at_best_clock(
            board, build.compiled.config, folder / "board", CACHE, seeds=range(1, seeds + 1), report=status.update
        )
    speed = result.fmax_mhz
    console.print(
        f"{folder}/board/{result.bitstream}: {result.luts:,} of {result.luts_available:,} logic cells, "
        f"{result.brams} block RAMs, {result.sprams} SPRAMs, {result.dsps} DSPs; "
        f"{speed['min']} / {speed['median']} / {speed['max']} MHz (min / median / max of {seeds} seeds), "
        f"the PLL makes {result.clock_mhz:.4g} MHz"
    )
    answer(as_json, folder=folder, **result.to_json())

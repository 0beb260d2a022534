"""``shiftforge plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cli.console import AsJson, answer, begin_answer, console, fails_clearly
from cli.pins import Clusters, Cols, ColumnsPerRequantizer, pins


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    board: Annotated[str, typer.Option(help="name of a board")] = "icebreaker",
    target_fps: Annotated[float | None, typer.Option(help="images a second that are enough", min=0)] = None,
    max_luts: Annotated[int | None, typer.Option(help="most lookup tables", min=1)] = None,
    also: Annotated[list[Path] | None, typer.Option(help="another network that the engine must be able to run")] = None,
    rows: Annotated[int | None, typer.Option(help="rows of the array; what is not given is searched")] = None,
    cols: Cols = None,
    clusters: Clusters = None,
    columns_per_requantizer: ColumnsPerRequantizer = None,
    as_json: AsJson = False,
) -> None:
    """Search the engines for a network: those that no other one beats in speed and size, and which to take.

    With --also for several networks, of which the first one's speed counts.

    Example: shiftforge plan examples/resnet8.s3net --board ulx3s_85f --target-fps 1000
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from hw.graph import load
    from hw.systolic.search import Candidate
    from planner.plan import plan

    target = board_by_name(board)
    networks = [load(path) for path in (network, *(also or ()))]
    names = " and ".join(graph.name for graph in networks)
    given = pins(rows=rows, cols=cols, clusters=clusters, columns_per_requantizer=columns_per_requantizer)
    with console.status("searching the shapes"):
        result = plan(networks, target, target_fps=target_fps, max_luts=max_luts, **given)
    answer(as_json, **result.to_json())
    # What is hardly faster than the row above is left out.
    shown: list[Candidate] = []
    for c in (*result.front, *result.close):
        if not shown or c is result.chosen or c.images_per_clock > 1.1 * shown[-1].images_per_clock:
            shown.append(c)
    console.print(f"engines for {names} on {target.title}, the smallest first:")
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "array", "units", "tables", "", "RAMs", "clocks", "busy", "images/s"):
        table.add_column(column, justify="right", no_wrap=True)
    for c in shown:
        table.add_row(
            "chosen" if c is result.chosen else "close" if c.close else "",
            f"{c.config.rows}x{c.config.cols}" + (f" x {c.config.clusters}" if c.config.clusters > 1 else ""),
            str(c.config.requantizers),
            f"{c.area.luts:,}",
            f"{c.area.luts / target.device.luts:.0%}",
            str(c.area.block_rams),
            f"{c.cycles:,}",
            f"{c.busy:.0%}",
            f"{result.images_per_s(c):,.0f}",
        )
    console.print(table)
    config = result.chosen.config
    others = "".join(f" --also {path}" for path in also or ())
    console.print(
        f"chosen: {result.why}, of {result.tried} engines that fit; images/s at {target.clock_mhz:g} MHz, without the "
        f"image's way in; tables are predicted, units are requantisers"
    )
    if result.chosen.close:
        console.print(f"warning: {result.chosen.warning(target.device)}", style="yellow", soft_wrap=True)
    elif result.close:
        console.print(
            "close: it takes so much of the device that only placing tells whether it fits; pin its shape to make it"
        )
    console.print(
        f"next: shiftforge generate {network}{others} --board {board} --rows {config.rows} --cols {config.cols} "
        f"--clusters {config.clusters} --columns-per-requantizer {config.columns_per_requantizer}",
        soft_wrap=True,
    )

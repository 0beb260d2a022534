"""``shiftforge generate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, answer, begin_answer, console, fails_clearly
from cli.pins import Clusters, Cols, ColumnsPerRequantizer, pins


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    board: Annotated[str, typer.Option(help="name of a board")] = "icebreaker",
    out: Annotated[Path | None, typer.Option(help="the build folder")] = None,
    also: Annotated[list[Path] | None, typer.Option(help="another network that the engine must be able to run")] = None,
    engine: Annotated[Path | None, typer.Option(help="take the engine of this build folder, and its board")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="the fastest engine that fits, not a small one")] = False,
    rows: Annotated[int | None, typer.Option(help="rows of the array; searches the rest, like the next three")] = None,
    cols: Cols = None,
    clusters: Clusters = None,
    columns_per_requantizer: ColumnsPerRequantizer = None,
    as_json: AsJson = False,
) -> None:
    """Write the engine's Verilog and the network's program.

    Example: shiftforge generate examples/resnet8.s3net --board icebreaker --out build/resnet8
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from cli.memory_table import memory_table, memory_total
    from hw.graph import load
    from hw.systolic.area import estimate_area
    from hw.systolic.build import generate, open_build
    from hw.systolic.search import most_full, search

    made = open_build(engine) if engine is not None else None
    if made is not None:
        board = made.board
    target = board_by_name(board)
    folder = out or Path("build") / f"{network.stem}-{board}"
    given = pins(rows=rows, cols=cols, clusters=clusters, columns_per_requantizer=columns_per_requantizer)
    config = None
    graph = load(network)
    others = [load(path) for path in also or ()]
    if made is not None and (fast or given or others):
        raise ValueError("--engine takes an engine as it is, without --also, --fast and the array's shape")
    if fast or given:
        with console.status("searching the shapes"):
            best = search([graph, *others], target.device, **given)[0]
        config = best.config
        console.print(
            f"{config.rows} x {config.cols} cells, {config.requantizers} requantisers, {config.clusters} times: "
            f"{best.cycles:,} clocks for {config.clusters} images, busy {best.busy:.1%}, about {best.area.luts:,} of "
            f"{target.device.luts:,} lookup tables and {best.area.block_rams} of {target.device.block_rams} block RAMs"
        )
        if best.close:
            console.print(f"warning: {best.warning(target.device)}", style="yellow", soft_wrap=True)
    path = network.with_suffix(".reference.npz")
    reference = path.read_bytes() if path.exists() else None
    record = network.with_suffix(".training.json")
    training = _record(record) if record.exists() else None
    build = generate(
        graph, board, target.device, folder, also=others, config=config, engine=made, reference=reference,
        training=training,
    )  # fmt: skip
    compiled = build.compiled
    layers = [node.name for node in graph.nodes]
    apart = compiled.config.program_words > 0
    console.print(memory_table(layers, compiled.maps, len(compiled.words), apart=apart))
    console.print(memory_total(compiled, target.device), soft_wrap=True)
    console.print(
        f"{folder}/engine.v: {build.verilog.count(chr(10)):,} lines; program.hex: {len(compiled.words):,} words; "
        f"{compiled.predicted_cycles:,} clocks an inference"
    )
    area = estimate_area(compiled.config, target.device)
    if made is None and config is None and not area.fits(target.device, most_full(target.device.family)):
        console.print(
            f"warning: no engine for this network fits the {target.title}; this one takes about {area.luts:,} of "
            f"{target.device.luts:,} lookup tables and can be simulated only",
            style="yellow",
            soft_wrap=True,
        )
    console.print(f"next: shiftforge simulate {folder}")
    answer(as_json, folder=folder, **json.loads((folder / "build.json").read_text()))


def _record(path: Path) -> str:
    """Return the text of a training's record; ``ValueError`` if it is none."""
    try:
        text = path.read_text()
        json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: damaged ({error}); export the network again, or remove the file") from error
    return text

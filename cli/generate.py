"""``shiftforge generate``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cli.console import console, fails_clearly


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    board: Annotated[str, typer.Option(help="name of a board")] = "icebreaker",
    out: Annotated[Path | None, typer.Option(help="the build folder")] = None,
) -> None:
    """Write the engine's Verilog and the network's program."""
    from bitstreams.boards import board_by_name
    from hw.graph import load
    from hw.systolic.build import generate

    target = board_by_name(board)
    folder = out or Path("build") / f"{network.stem}-{board}"
    build = generate(load(network), board, target.device, folder)
    reference = network.with_suffix(".reference.npz")
    if reference.exists():
        shutil.copyfile(reference, folder / "reference.npz")
    console.print(
        f"{folder}/engine.v: {build.verilog.count(chr(10)):,} lines; program.hex: {len(build.compiled.words):,} words; "
        f"{build.compiled.predicted_cycles:,} clocks an image"
    )
    console.print(f"next: shiftforge simulate {folder}")

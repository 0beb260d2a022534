"""``shiftforge flash``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder that synth has been run on")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the commands and the flash's map only")] = False,
    as_json: AsJson = False,
) -> None:
    """Write bitstream and network into a board's flash, so that it works without a host.

    Example: shiftforge flash build/digits-icebreaker --dry-run
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from bitstreams.flash import NETWORK_ADDRESS, FlashError, Part, flash_commands, write_flash
    from bitstreams.stored import flash_image
    from hw.systolic.build import open_build
    from hw.systolic.config import MemoryKind
    from hw.whole_file import whole_file

    build = open_build(folder)
    board = board_by_name(build.board)
    result = folder / "board" / "result.json"
    if not result.exists():
        raise FlashError(f"{folder} has no bitstream yet; run shiftforge synth {folder}")
    parts = [Part("bitstream", folder / "board" / json.loads(result.read_text())["bitstream"], 0)]
    if build.compiled.config.memory is MemoryKind.SPRAM:
        image = folder / "board" / "network.bin"
        with whole_file(image) as temporary:
            temporary.write_bytes(flash_image(build.compiled))
        parts.append(Part("network", image, NETWORK_ADDRESS))
    commands = flash_commands(board, parts)
    table = Table("from", "to", "bytes", "what", title=f"flash of the {board.title}")
    for part in parts:
        size = part.end - part.address
        table.add_row(f"{part.address:#08x}", f"{part.end - 1:#08x}", f"{size:,}", f"{part.what}: {part.file}")
    console.print(table)
    if len(parts) == 1:
        console.print("the bitstream brings the network, in block RAM")
    for command in commands:
        console.print(shlex.join(command), soft_wrap=True)
    answer(
        as_json,
        board=board.name,
        parts=[{"what": p.what, "file": p.file, "address": p.address, "end": p.end} for p in parts],
        commands=commands,
    )
    if not dry_run:
        write_flash(commands)

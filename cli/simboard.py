"""``shiftforge simboard``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.console import CACHE, AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder")],
    link: Annotated[Literal["uart", "spi"], typer.Option(help="what the host is connected by")] = "uart",
    flash: Annotated[Path | None, typer.Option(help="contents of the flash from the network's address on")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a board's whole top level in a simulation, with a pseudo-terminal where its cable would be.

    Example: shiftforge simboard build/digits-icebreaker, then in another shell
    shiftforge run --port PORT --network examples/digits.s3net digits --samples 5
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from bitstreams.design import board_top
    from bitstreams.flash import NETWORK_ADDRESS
    from bitstreams.stored import StoredNetwork
    from hw.systolic.build import open_build
    from hw.systolic.config import MemoryKind
    from sim.simulated_board import compile_board, half_clocks, running_board, simulated
    from sim.verilator import SimulatorError

    build = open_build(folder)
    board = simulated(board_by_name(build.board))
    board.check_link(link)
    if flash is not None and build.compiled.config.memory is not MemoryKind.SPRAM:
        raise ValueError(f"{board.title} has its network in the bitstream, and reads no flash")
    if flash is not None and not flash.is_file():
        raise ValueError(f"{flash}: no such file; shiftforge flash --dry-run writes board/network.bin")
    top = board_top(board, build.compiled.config, link=link, stored=StoredNetwork.of(build.compiled))
    with console.status("compiling the board"):
        program = compile_board(top, CACHE)
    contents = None if flash is None else (flash, NETWORK_ADDRESS)
    with running_board(program, half_clocks=half_clocks(board, link), link=link, flash=contents) as running:
        port = running.port if link == "uart" else f"spi:{running.port}"
        console.print(f"{board.title}, simulated, is at {port}; Ctrl-C ends it", soft_wrap=True)
        console.print(f"next: shiftforge run --port {port} --network {folder}/network.s3net digits", soft_wrap=True)
        answer(as_json, board=board.name, port=port)
        sys.stdout.flush()
        while running.process.poll() is None:
            time.sleep(0.2)
    raise SimulatorError("the simulated board ended")

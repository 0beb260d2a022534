"""``shiftforge check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    board: Annotated[str, typer.Option(help="name of a board")] = "icebreaker",
    as_json: AsJson = False,
) -> None:
    """Say in a second whether a network fits a board, and how fast it would be.

    Exit code: 0 it builds, 1 it does not, 3 it is so close to the device's size that only placing it tells.
    Of a PyTorch model before its training: shiftforge.check(model, images).

    Example: shiftforge check examples/resnet8.s3net --board icebreaker
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from cli.memory_table import memory_table
    from hw.graph import load
    from planner.network_check import check_network
    from planner.verdict import Answer, summary

    verdict = check_network(load(network), board_by_name(board))
    console.print(verdict)
    if verdict.engine is not None:
        engine, layers = verdict.engine, [layer.layer for layer in verdict.layers]
        console.print(memory_table(layers, engine.maps, engine.program_words, apart=engine.program_apart))
    for line in summary(verdict):
        console.print(line, soft_wrap=True)
    if verdict.answer is not Answer.NO:
        console.print(f"next: shiftforge generate {network} --board {board}", soft_wrap=True)
    answer(as_json, **verdict.to_json())
    sys.exit(verdict.answer.exit_code)

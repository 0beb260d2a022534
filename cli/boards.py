"""``shiftforge boards``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from cli.console import console, fails_clearly


@fails_clearly
def run(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """List the boards and what is on them.

    Example: shiftforge boards
    """
    from bitstreams.boards import BOARDS

    if as_json:
        rows = [
            {
                "board": board.name,
                "title": board.title,
                "clock_mhz": board.clock_mhz,
                "oscillator_mhz": board.oscillator_mhz,
                "baud": board.baud,
                "note": board.note,
                **{**asdict(board.device), "device": board.device.name, "family": board.device.family.value},
            }
            for board in BOARDS.values()
        ]
        print(json.dumps([{k: v for k, v in row.items() if k != "name"} for row in rows], indent=2))
        return
    table = Table("board", "FPGA", "tables", "block RAMs", "SPRAMs", "oscillator", "first clock")
    for board in BOARDS.values():
        device = board.device
        kib = device.block_rams * device.block_ram_bits // 8192
        table.add_row(
            board.name,
            device.name,
            f"{device.luts:,}",
            f"{device.block_rams} ({kib} KiB)",
            f"{device.sprams} ({32 * device.sprams} KiB)" if device.sprams else "-",
            f"{board.oscillator_mhz:g} MHz",
            f"{board.clock_mhz:g} MHz",
        )
    console.print(table)
    for board in BOARDS.values():
        if board.note:
            console.print(f"{board.name}: {board.note}")
    console.print("first clock: what synth tries first; the PLL is set by what the placed design reaches")

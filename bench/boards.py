"""Every board through to a bitstream whose clock three placements reach; ``make bench-boards``.

Can be stopped and called again: what is built is in the cache. A board without room for the digits CNN gets the digits
MLP.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.networks import trained
from bitstreams.board import Board
from bitstreams.boards import BOARDS
from bitstreams.clock_choice import build_at_best_clock
from bitstreams.stored import StoredNetwork
from bitstreams.toolchain import ToolError
from cli.console import CACHE
from host.protocol import OVERHEAD, answer_bytes, pack_lanes
from hw.graph import Network
from hw.systolic.compiler import CompiledNetwork, CompileError, compile_network
from hw.systolic.search import choose_config
from hw.whole_file import write_whole

RESULTS = Path("bench/results/boards.json")
NETWORKS = ("digits", "digits-mlp")
SEEDS = 3


def network_for(board: Board) -> CompiledNetwork:
    """Return the first of :data:`NETWORKS` that fits a board, compiled for its engine."""
    reason: CompileError | None = None
    for name in NETWORKS:
        network, _ = trained(name)
        try:
            return compile_network(network, choose_config([network], board.device))
        except CompileError as error:
            reason = error
    raise reason or AssertionError


def link_rate(board: Board, compiled: CompiledNetwork) -> float:
    """Return the images a second that a UART carries: ten bits a byte, both directions at once."""
    network: Network = compiled.network
    image = np.zeros(network.tensor(network.input).shape, np.uint8)
    there = len(pack_lanes(compiled.pack_image(image), compiled.config.activation_bits)) + OVERHEAD
    back = answer_bytes(network.classes, 1) + OVERHEAD
    return board.baud / 10 / max(there, back)


def measure(board: Board, console: Console) -> dict[str, Any]:
    """Build a board's bitstream; return its row."""
    compiled = network_for(board)
    config = compiled.config
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = build_at_best_clock(
            board, config, Path(folder), CACHE, seeds=range(1, SEEDS + 1), network=StoredNetwork.of(compiled),
            report=lambda message: console.print(f"  {message}"),
        )  # fmt: skip
        size = (Path(folder) / result.bitstream).stat().st_size
    met = sum(speed >= result.clock_mhz for speed in result.fmax_mhz["seeds"].values())
    return {
        "board": board.name,
        "device": board.device.name,
        "network": compiled.network.name,
        "rows": config.rows,
        "cols": config.cols,
        "luts": result.luts,
        "luts_available": result.luts_available,
        "brams": result.brams,
        "sprams": result.sprams,
        "dsps": result.dsps,
        "pll_mhz": round(result.clock_mhz, 4),
        "fmax_mhz": {key: result.fmax_mhz[key] for key in ("min", "median", "max")},
        "seeds_met": met,
        "images_per_s_core": round(result.clock_mhz * 1e6 / compiled.predicted_cycles, 1),
        "images_per_s_link": round(link_rate(board, compiled), 1),
        "bitstream_bytes": size,
        "build_seconds": round(time.monotonic() - begin),
    }


def table(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the rows."""
    view = Table("board", "network", "array", "cells", "RAMs", "PLL MHz", "MHz min/med/max", "core/s", "link/s")
    for row in rows:
        speed = row["fmax_mhz"]
        view.add_row(
            row["board"], row["network"], f"{row['rows']}x{row['cols']}",
            f"{row['luts']:,} of {row['luts_available']:,}", str(row["brams"] + row["sprams"]),
            f"{row['pll_mhz']:g}", f"{speed['min']}/{speed['median']}/{speed['max']}",
            f"{row['images_per_s_core']:,.0f}", f"{row['images_per_s_link']:,.0f}",
        )  # fmt: skip
    console.print(view)
    met = sum(row["seeds_met"] == SEEDS for row in rows)
    console.print(
        f"{met} of {len(rows)} boards meet their PLL's clock in {SEEDS} of {SEEDS} seeds; images/s at that clock"
    )


def main() -> None:
    """Build the boards one by one, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only boards whose name contains this")
    parser.add_argument("--table", action="store_true", help="print the table and build nothing")
    arguments = parser.parse_args()
    console = Console(width=140)
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for board in BOARDS.values():
        if arguments.table or arguments.only not in board.name:
            continue
        console.print(board.name)
        try:
            row = measure(board, console)
        except ToolError as error:
            console.print(f"  [red]{error}[/red]")
            continue
        rows = [old for old in rows if old["board"] != board.name] + [row]
        write_whole(RESULTS, "[\n" + ",\n".join("  " + json.dumps(r) for r in rows) + "\n]\n")
    table(rows, console)


if __name__ == "__main__":
    main()

"""``shiftforge check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import console, fails_clearly


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    board: Annotated[str, typer.Option(help="name of a board")] = "icebreaker",
) -> None:
    """Say in a second whether a network fits a board, and how fast it would be."""
    from bitstreams.boards import board_by_name
    from hw.graph import load
    from hw.systolic.compiler import compile_network
    from hw.systolic.shape import choose_config

    target = board_by_name(board)
    graph = load(network)
    config = choose_config([graph], target.device)
    compiled = compile_network(graph, config)
    table = Table(title=f"{graph.name} on {target.title}")
    for column in ("layer", "operation", "output", "clocks", "sum bits"):
        table.add_column(column, justify="right" if column in ("clocks", "sum bits") else "left")
    widths: dict[str, int] = {}
    for layer in compiled.layers:
        widths[layer.node] = max(widths.get(layer.node, 0), layer.needs.acc_width)
    clocks: dict[str, int] = {}
    for entry in compiled.layer_clocks:
        clocks[entry.node] = clocks.get(entry.node, 0) + entry.clocks
    for node in graph.nodes:
        shape = "x".join(map(str, graph.tensors[node.output].shape)) if node.output in graph.tensors else "logits"
        table.add_row(node.name, type(node).__name__, shape, f"{clocks[node.name]:,}", str(widths[node.name]))
    console.print(table)
    console.print(
        f"engine: {config.rows} x {config.cols} cells, {config.acc_width}-bit sums; "
        f"memory {compiled.memory_words:,} of "
        f"{config.memory_words:,} words; {compiled.predicted_cycles:,} clocks an image, busy {compiled.busy:.0%}: "
        f"{target.clock_mhz * 1e6 / compiled.predicted_cycles:,.0f} images/s at {target.clock_mhz:g} MHz"
    )
    console.print(f"next: shiftforge generate {network} --board {board}")

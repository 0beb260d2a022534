"""The engine on boards, beside its rivals: clocks, equality, cells, speed; ``make bench-systolic``.

Takes hours, so it can be stopped and called again: every finished placement is kept in
``bench/results/systolic.json``, and a row is made again only when its engine or network changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.networks import EXAMPLES, trained, untrained, with_integer_weights
from bitstreams.boards import board_by_name
from bitstreams.design import board_design
from bitstreams.floorplan import LINK
from bitstreams.flow import SynthesisResult, build_board, spread, synthesise_board
from bitstreams.toolchain import ToolError
from cli.console import CACHE, data_folder
from hw.cores import cores
from hw.graph import Convolution, Logits, Network
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.shape import base_config, fit_memory, fit_widths
from hw.systolic.verilog import emit_verilog
from hw.whole_file import write_whole
from sim.compare import compare
from sim.runner import compile_simulation, run_simulation

RESULTS = Path("bench/results/systolic.json")
Row = dict[str, Any]
CELLS = {"s3_3": None, "int8_lut": 8, "int4_lut": 4, "dsp": 8}
"""Bits of the integer weights of every kind of cell; ``None``: the network's own shift weights."""


@dataclass(frozen=True)
class Case:
    """A row: an engine on a board with a network.

    ``shape`` are fields of the engine's configuration, ``images`` how many are simulated, ``seeds`` of the placement.
    """

    board: str
    network: str
    cell: str = "s3_3"
    activation_bits: int = 8
    shape: dict[str, Any] = field(default_factory=dict)
    images: int = 10
    seeds: int = 3

    @property
    def name(self) -> str:
        """Name for the command line."""
        parts = [self.board, self.network, self.cell, *(f"{key}{value}" for key, value in self.shape.items())]
        return "-".join(parts)


def array(rows: int, cols: int, **more: int) -> dict[str, Any]:
    """Return the fields of an array's shape on an ECP5."""
    return {"rows": rows, "cols": cols, "tile_rows": 4, "tile_cols": 2, **more}


A4 = Case(
    "icebreaker", "resnet8-a4", activation_bits=4, shape={"cols": 8, "tile_cols": 8, "columns_per_requantizer": 4}
)
"""ResNet-8 with 4-bit activations."""


def cases() -> Iterator[Case]:
    """Yield the cases, the headline figures first."""
    yield Case("icebreaker", "resnet8", images=100)
    yield A4
    large = array(16, 16, columns_per_requantizer=1)
    yield Case("ulx3s_85f", "resnet8", shape=large)
    for cell in ("int8_lut", "int4_lut", "dsp"):
        # The rivals' sizes: simulated and synthesised. On the iCE40 they do not fit.
        yield Case("ulx3s_85f", "resnet8", cell, shape=large, seeds=0)
        if cell != "dsp":
            yield Case("icebreaker", "resnet8", cell, seeds=0)
    yield Case("ulx3s_85f", "resnet8", shape={**large, "clusters": 4}, images=12)
    yield Case("icebreaker", "digits", images=100)
    yield Case("hx8k_evn", "digits-mlp", images=100)
    for size in (8, 16, 32):
        yield Case("ulx3s_85f", "resnet8", shape=array(size, size), seeds=5)


def load_network(case: Case) -> tuple[Network, float | None]:
    """Return the case's network and its accuracy, ``None`` for random weights."""
    accuracy: float | None
    if case.network.startswith("resnet8") and not (EXAMPLES / f"{case.network}.s3net").exists():
        network, accuracy = untrained("resnet8", activation_bits=case.activation_bits), None
    else:
        network, accuracy = trained(case.network)
    bits = CELLS[case.cell]
    return (network, accuracy) if bits is None else (with_integer_weights(network, bits), None)


def load_images(network: Network, count: int) -> np.ndarray:
    """Return stored test images of the network's data set."""
    from s3train.data import load_data

    tensor = network.tensor(network.input)
    data = load_data("digits" if tensor.channels == 1 else "cifar10", data_folder())
    return data.test(0, count)[0].numpy()


def make_config(case: Case, network: Network) -> EngineConfig:
    """Return the case's engine, no wider than the network needs; a case that is not placed need not fit either."""
    device = board_by_name(case.board).device
    config = fit_widths([network], replace(base_config([network], device), **case.shape))
    try:
        return fit_memory([network], config, device)
    except CompileError:
        if case.seeds:
            raise
        return config


def simulate(case: Case, network: Network, config: EngineConfig, console: Console) -> Row:
    """Return the row's part about clocks and equality; without clocks if the network does not fit the memory."""
    try:
        compiled = compile_network(network, config)
    except CompileError as error:
        console.print(f"  not simulated: {error}")
        return {"cycles": None, "busy": None, "images_checked": 0, "images_equal": 0, "note": str(error)}
    images = load_images(network, case.images)
    CACHE.mkdir(parents=True, exist_ok=True)
    simulation = compile_simulation(emit_verilog(config), compiled, CACHE)
    begin = time.perf_counter()
    runs = run_simulation(simulation, compiled, images, stall=0.0)
    seconds = time.perf_counter() - begin
    result = compare(compiled, runs, network.run(images))
    clocks = sum(run.cycles for run in runs) / config.clusters + images[0].size * len(images)
    console.print(
        f"  {result.equal} of {result.images} images equal, {result.values:,} values; "
        f"{clocks / seconds:,.0f} simulated clocks a second"
    )
    if not result.ok:
        console.print(f"  [red]{result.first_difference or 'clocks differ'}[/red]")
    return {
        "cycles": result.cycles[0],
        "cycles_predicted": compiled.predicted_cycles,
        "busy": round(compiled.busy, 4),
        "images_checked": result.images,
        "images_equal": result.equal,
        "simulated_clocks_per_s": round(clocks / seconds),
    }


def measure_engine(
    case: Case,
    network: Network,
    accuracy: float | None,
    config: EngineConfig,
    console: Console,
    *,
    earlier: Row | None = None,
    keep: Callable[[Row], object] = lambda row: None,
) -> Row:
    """Simulate, synthesise and place an engine with a network; return the case's row.

    ``earlier`` is the row of an equal engine that has not all seeds yet; ``keep`` is called with the row after every
    placement.
    """
    board = board_by_name(case.board)
    dsp = case.cell == "dsp"
    if earlier is not None:
        row = dict(earlier)
    else:
        row = {
            "board": case.board,
            "network": case.network,
            "cell": case.cell,
            "activation_bits": case.activation_bits,
            "accuracy": accuracy,
            "rows": config.rows,
            "cols": config.cols,
            "clusters": config.clusters,
            "requantizers": config.requantizers,
            **simulate(case, network, config, console),
        }
        # Several clusters say nothing here that one does not.
        if config.clusters == 1 or not case.seeds:
            sizes = synthesise_board(board, config, CACHE, dsp=dsp)
            row |= {"luts": sizes.luts, "brams": sizes.brams, "dsps": sizes.dsps, "engine_luts": engine_tables(sizes)}
        row |= {"fmax_mhz": None, "images_per_s": None}
    missing = [seed for seed in range(1, case.seeds + 1) if str(seed) not in placed_seeds(row)]
    # As many at a time as run side by side.
    for begin in range(0, len(missing), cores()):
        seeds = missing[begin : begin + cores()]
        with tempfile.TemporaryDirectory() as out:
            built = build_board(
                board, config, Path(out), CACHE, seeds=seeds, dsp=dsp,
                report=lambda message: console.print(f"  {message}"),
            )  # fmt: skip
        speeds = spread({**placed_seeds(row), **built.fmax_mhz["seeds"]})
        row |= {"luts": built.luts, "brams": built.brams, "dsps": built.dsps, "fmax_mhz": speeds}
        row["images_per_s"] = round(speeds["min"] * 1e6 * config.clusters / row["cycles"], 1)
        keep(row)
    return row


def placed_seeds(row: Row) -> dict[str, float]:
    """Return the MHz of the seeds that a row has already."""
    return row["fmax_mhz"]["seeds"] if row["fmax_mhz"] else {}


def engine_tables(sizes: SynthesisResult) -> int:
    """Return the tables of a board without those of its link and its boot from the flash."""
    return sum(count for part, count in sizes.parts.items() if part != LINK)


def digest(case: Case, network: Network, config: EngineConfig) -> str:
    """Return a digest of everything that the row of an engine and a network depends on but the tools."""
    weights = [node.weight.tobytes().hex() for node in network.nodes if isinstance(node, Convolution | Logits)]
    board = board_by_name(case.board)
    parts = [
        repr(case),
        f"{board.clock_mhz} {board.nextpnr}",
        json.dumps(config.to_json()),
        # Without the places in the source, which are other ones in another folder.
        re.sub(r'attribute \\src "[^"]*"\n', "", board_design(board, config).rtlil),
        *weights,
        *(() if case.seeds else ("sizes of packing",)),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def table(rows: list[Row], console: Console) -> None:
    """Print the rows."""
    view = Table(
        "board", "network", "cell", "array", "clocks", "busy", "cells", "RAMs", "DSPs", "MHz min/med/max", "images/s",
        "equal",
    )  # fmt: skip
    for row in rows:
        speed = row["fmax_mhz"]
        shape = f"{row['rows']}x{row['cols']}" + (f" x{row['clusters']}" if row["clusters"] > 1 else "")
        accuracy = "random" if row["accuracy"] is None else f"{row['accuracy']:.2%}"
        clocks, busy = (f"{row['cycles']:,}", f"{row['busy']:.1%}") if row["cycles"] else ("does not fit", "")
        view.add_row(
            row["board"], f"{row['network']} ({accuracy})", row["cell"], shape, clocks, busy,
            f"{row['luts']:,}", str(row["brams"]), str(row["dsps"]),
            f"{speed['min']}/{speed['median']}/{speed['max']}" if speed else "not placed",
            f"{row['images_per_s']:,}" if row["images_per_s"] else "",
            f"{row['images_equal']}/{row['images_checked']}",
        )  # fmt: skip
    console.print(view)
    shares(rows, console)
    console.print("images/s: the core's at the slowest seed, the image's way in not counted")


def shares(rows: list[Row], console: Console) -> None:
    """Print an engine's tables as shares of its rivals', with and without the board's link."""
    counted = [row for row in rows if "engine_luts" in row]
    alike = ("board", "network", "rows", "cols", "clusters")
    for row in (row for row in counted if row["cell"] == "s3_3"):
        for rival in (r for r in counted if r["cell"] != "s3_3" and all(r[key] == row[key] for key in alike)):
            console.print(
                f"{row['board']}, {row['network']}, {row['rows']} x {row['cols']} against {rival['cell']}: "
                f"{row['luts'] / rival['luts']:.3f} of the board's tables, "
                f"{row['engine_luts'] / rival['engine_luts']:.3f} of the engine's"
            )


def measure(case: Case, rows: list[Row], console: Console) -> list[Row]:
    """Return the rows with what was missing of a case; every finished placement is kept in the file at once."""
    network, accuracy = load_network(case)
    config = make_config(case, network)
    key = digest(case, network, config)
    earlier = next((row for row in rows if row["case"] == case.name and row["made_from"] == key), None)
    if earlier is not None and len(placed_seeds(earlier)) >= case.seeds:
        return rows
    console.print(case.name)
    others = [row for row in rows if row["case"] != case.name]

    def keep(row: Row) -> list[Row]:
        found = [*others, {**row, "case": case.name, "made_from": key}]
        RESULTS.parent.mkdir(exist_ok=True)
        write_whole(RESULTS, "[\n" + ",\n".join("  " + json.dumps(row) for row in found) + "\n]\n")
        return found

    try:
        return keep(measure_engine(case, network, accuracy, config, console, earlier=earlier, keep=keep))
    except ToolError as error:
        console.print(f"  [red]{error}[/red]")
        return json.loads(RESULTS.read_text()) if RESULTS.exists() else rows


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    arguments = parser.parse_args()
    console = Console()
    rows: list[Row] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for case in cases():
        if not arguments.table and arguments.only in case.name:
            rows = measure(case, rows, console)
    table(rows, console)


if __name__ == "__main__":
    main()

"""How far off the predictions are: a sweep of engines, the cell model fitted to a part; ``make bench-prediction``.

Takes an hour, and goes on where it was stopped: every design that was built is kept in
``bench/results/prediction_sweep.json`` and built again only when the engine changed. Ends with the costs in
``hw/systolic/area_costs.json`` and the designs that are held out in ``bench/results/prediction.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from bench.sweep import Design, designs
from bitstreams.boards import board_by_name
from bitstreams.flow import synthesise_board
from cli.console import CACHE
from hw.devices import Family
from hw.systolic import area
from hw.systolic.compiler import compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.verilog import emit_verilog
from hw.whole_file import write_whole
from sim.compare import compare
from sim.runner import compile_simulation, run_simulation

SWEEP = Path("bench/results/prediction_sweep.json")
RESULTS = Path("bench/results/prediction.json")

MARGIN = 1.5
"""The stated uncertainty over the worst error of the sweep."""

RIDGE = 1e-3
"""Keeps costs of parts that always come together small; relative to the shares of the tables that the parts make."""


def build(design: Design) -> dict[str, Any]:
    """Return what packing says of a design, and for one that is held out what its simulation says."""
    placed = synthesise_board(board_by_name(design.board), design.config, CACHE)
    row: dict[str, Any] = {"luts_placed": placed.luts, "brams_placed": placed.brams}
    if design.held_out:
        compiled = compile_network(design.network, design.config)
        image = design.network.tensor(design.network.input)
        shape = (design.config.clusters, image.channels, image.height, image.width)
        images = np.random.default_rng(0).integers(0, image.maximum + 1, shape, dtype=np.uint8)
        simulation = compile_simulation(emit_verilog(design.config), compiled, CACHE)
        result = compare(compiled, run_simulation(simulation, compiled, images, stall=0.0), design.network.run(images))
        row |= {"cycles_predicted": compiled.predicted_cycles, "cycles_simulated": result.cycles[0]}
        row |= {"images": result.images, "images_equal": result.equal}
    return row


def sweep(family: Family, console: Console, only: str) -> None:
    """Build what is missing, of the designs whose name contains ``only``."""
    for number, design in enumerate(designs(family), 1):
        if only not in design.name:
            continue
        key = hashlib.sha256(emit_verilog(design.config).encode()).hexdigest()[:16]
        if any(row["design"] == design.name and row["made_from"] == key for row in _kept()):
            continue
        console.print(f"{family.value} {number}: {design.name}")
        row = {"family": family.value, "design": design.name, "board": design.board, "held_out": design.held_out}
        row |= {"config": design.config.to_json(), **build(design), "made_from": key}
        _write(SWEEP, [old for old in _kept() if old["design"] != design.name] + [row])


def _kept() -> list[dict[str, Any]]:
    return json.loads(SWEEP.read_text()) if SWEEP.exists() else []


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    write_whole(path, "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


def fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the cost of every part, none below 0, that makes the relative errors' squares least."""
    counts = [area.count_parts(EngineConfig.from_json(row["config"]), Family(row["family"])) for row in rows]
    parts = list(counts[0])
    placed = np.array([row["luts_placed"] for row in rows], float)
    shares = np.array([[count[part] for part in parts] for count in counts], float) / placed[:, None]
    largest = np.maximum(shares.max(axis=0), 1e-12)
    matrix = np.vstack([shares / largest, RIDGE * np.eye(len(parts))])
    found, _ = nnls(matrix, np.concatenate([np.ones(len(rows)), np.zeros(len(parts))]))
    return {part: round(float(cost), 4) for part, cost in zip(parts, found / largest, strict=True) if cost}


def predict(row: dict[str, Any], costs: dict[str, float]) -> int:
    """Return the tables of a design by given costs."""
    counts = area.count_parts(EngineConfig.from_json(row["config"]), Family(row["family"]))
    return round(sum(costs.get(part, 0) * count for part, count in counts.items()))


def evaluate(rows: list[dict[str, Any]], console: Console) -> None:
    """Fit, write the costs, print and write the designs that are held out."""
    costs: dict[str, Any] = json.loads(area.COSTS.read_text())
    results: list[dict[str, Any]] = []
    table = Table("family", "designs", "held out", "median error", "worst", "worst of all", "block RAMs", "clocks")
    for family in Family:
        mine = [row for row in rows if row["family"] == family.value]
        held = [row for row in mine if row["held_out"]]
        if not held:
            continue
        fitted = fit([row for row in mine if not row["held_out"]])
        errors = {row["design"]: predict(row, fitted) / row["luts_placed"] - 1 for row in mine}
        worst = max(map(abs, errors.values()))
        costs[family.value] = {"costs": fitted, "uncertainty": round(MARGIN * worst, 3)}
        for row in held:
            predicted = area.estimate_area(EngineConfig.from_json(row["config"]), board_by_name(row["board"]).device)
            results.append(
                {
                    "family": family.value,
                    "design": row["design"],
                    "luts_predicted": predict(row, fitted),
                    "luts_placed": row["luts_placed"],
                    "brams_predicted": predicted.block_rams,
                    "brams_placed": row["brams_placed"],
                    "cycles_predicted": row["cycles_predicted"],
                    "cycles_simulated": row["cycles_simulated"],
                    "images_equal": row["images_equal"],
                }
            )
        sizes = [abs(errors[row["design"]]) for row in held]
        exact = [row for row in results if row["family"] == family.value]
        table.add_row(
            family.value, str(len(mine)), str(len(held)), f"{statistics.median(sizes):.1%}", f"{max(sizes):.1%}",
            f"{worst:.1%}", f"{sum(r['brams_predicted'] == r['brams_placed'] for r in exact)} of {len(exact)} exact",
            f"{sum(r['cycles_predicted'] == r['cycles_simulated'] for r in exact)} of {len(exact)} exact",
        )  # fmt: skip
    write_whole(area.COSTS, json.dumps(costs, indent=2) + "\n")
    _write(RESULTS, results)
    console.print(table)


def main() -> None:
    """Build what is missing, fit, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=[family.value for family in Family], help="build only this one's designs")
    parser.add_argument("--fit", action="store_true", help="build nothing")
    parser.add_argument("--only", default="", help="build only designs whose name contains this")
    arguments = parser.parse_args()
    console = Console()
    families = [Family(arguments.family)] if arguments.family else list(Family)
    for family in () if arguments.fit else families:
        sweep(family, console, arguments.only)
    evaluate(_kept(), console)


if __name__ == "__main__":
    main()

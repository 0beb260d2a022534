"""AddressNet, polyphase sampling and attention beside ResNet-8; ``make bench-neighbours``.

The networks are those that ``make bench-training ARGS=--only=-e10-`` trains (hours; ten epochs each, equal settings);
what is not trained yet is left out and said. Can be stopped and called again: every finished row is kept in
``bench/results/neighbours.json`` and made again only when its engine or network changed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import fx

from bench.consistency import Consistency, measure
from bench.seeds import HEAD, over_seeds
from bench.systolic import Case, digest, measure_engine
from bench.training import NEIGHBOUR_EPOCHS, NEIGHBOUR_RECIPE, RUNS, Job
from bench.training import RESULTS as TRAINED
from bitstreams.boards import board_by_name
from cli.console import CACHE, data_folder
from hw.graph import Convolution, Network
from hw.systolic.compiler import compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.search import choose_config
from hw.systolic.verilog import emit_verilog
from hw.whole_file import write_whole
from s3train.convert import convert
from s3train.data import ImageData
from s3train.export import export
from s3train.models import build_model
from s3train.runs import load_run
from sim.compare import compare
from sim.runner import compile_simulation, run_simulation

RESULTS = Path("bench/results/neighbours.json")
NETWORKS = (
    "resnet8", "resnet8_strided", "resnet8_aps", "resnet8_sb", "addressnet_small", "invariant_addressnet",
)  # fmt: skip
BOARDS = ("icebreaker", "ulx3s_85f")
SHIFTED_IMAGES = 20
SIMULATED_SHIFTS = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 3), (5, 31), (16, 16), (31, 30))


def load(name: str, seed: int = 0) -> tuple[fx.GraphModule, Network, ImageData, float] | None:
    """Return a trained network in torch and in integers, its data and its accuracy; ``None`` if it is not trained."""
    job = Job(name, "cifar10", "s3", 3, 8, NEIGHBOUR_EPOCHS, seed, NEIGHBOUR_RECIPE)
    folder = RUNS / job.name
    if not (folder / "result.json").exists():
        return None
    model, _, data = load_run(folder, data_folder())
    assert isinstance(model, fx.GraphModule)
    accuracy = json.loads((folder / "result.json").read_text())["integer_accuracy"]
    return model, export(model, data.format, data.shape, name=name), data, accuracy


def untrained(name: str, data: ImageData) -> fx.GraphModule:
    """Return a network as training would begin it at random, with scales of some images."""
    torch.manual_seed(0)
    model = convert(build_model(name, data.shape, data.classes), image=data.format)
    # The first batches set the activations' scales and the batch norms' statistics; no weight changes.
    model.train()
    with torch.no_grad():
        for start in range(0, 512, 128):
            model(data.real(data.test(start, start + 128)[0]))
    return model.eval()


def wraps_around(network: Network) -> bool:
    """Whether all of a network's windows wrap around, so that a shift of the image can be a shift of every map."""
    return all(node.circular for node in network.nodes if isinstance(node, Convolution) and node.weight.shape[2] > 1)


def simulated_shifts(network: Network, config: EngineConfig, images: np.ndarray) -> tuple[int, int]:
    """Return how many shifted images were simulated, and how many have the logits of the image as it is.

    Raises
    ------
    AssertionError
        If a simulation and the integer reference differ in any number.
    """
    compiled = compile_network(network, config)
    simulation = compile_simulation(emit_verilog(config), compiled, CACHE)
    same = 0
    for image in images:
        shifted = np.stack([np.roll(image, shift, (1, 2)) for shift in SIMULATED_SHIFTS])
        stored = network.run(shifted)
        result = compare(compiled, run_simulation(simulation, compiled, shifted, stall=0.0), stored)
        assert result.ok, result
        logits = stored[network.logits.name]
        same += int((logits == logits[0]).all(axis=1).sum())
    return len(images) * len(SIMULATED_SHIFTS), same


def consistency(name: str, model: fx.GraphModule, network: Network, data: ImageData) -> dict[str, Any]:
    """Return the row's part about shifts, of the network trained and untrained."""
    images = data.test(0, SHIFTED_IMAGES)[0].numpy()
    begun = untrained(name, data)
    first = measure(begun, export(begun, data.format, data.shape), data.format, images)
    last = measure(model, network, data.format, images)
    return {**_shifts("", last), **_shifts("untrained_", first)}


def _shifts(prefix: str, found: Consistency) -> dict[str, Any]:
    names = {"logits": "consistency", "classes": "class_consistency", "images": "shifted_images"}
    return {prefix + names.get(key, key): value for key, value in asdict(found).items()}


def make_row(name: str, board: str, console: Console) -> None:
    """Measure a network on a board and keep its row, unless it is there."""
    loaded = load(name)
    if loaded is None:
        console.print(f"{name} is not trained yet: make bench-training ARGS=--only=-e{NEIGHBOUR_EPOCHS}-")
        return
    model, network, data, accuracy = loaded
    config = choose_config([network], board_by_name(board).device)
    case = Case(board, name)
    key = digest(case, network, config)
    if any(row["network"] == name and row["board"] == board and row["made_from"] == key for row in rows()):
        return
    console.print(f"{name} on {board}")
    row = {"network": name, "data": "cifar10", "seed": 0, **measure_engine(case, network, accuracy, config, console)}
    if wraps_around(network):
        row |= consistency(name, model, network, data)
        row["simulated_shifts"], row["simulated_shifts_equal"] = simulated_shifts(
            network, config, data.test(0, 2)[0].numpy()
        )
    else:
        row |= {"consistency": None}
    kept = [old for old in rows() if (old["network"], old["board"]) != (name, board)]
    _write([*kept, {**row, "made_from": key}])


def _write(found: list[dict[str, Any]]) -> None:
    """Keep rows, board by board in the order of the networks."""
    ordered = sorted(found, key=lambda row: (BOARDS.index(row["board"]), NETWORKS.index(row["network"])))
    lines = ",\n".join("  " + json.dumps(row) for row in ordered)
    write_whole(RESULTS, f"[\n{lines}\n]\n")


def rows() -> list[dict[str, Any]]:
    """Return the rows that are there."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def seeds(console: Console) -> None:
    """Print mean and spread over the seeds: attention beside none, polyphase sampling beside strides."""
    view = Table(*HEAD, title="over the seeds")
    for line in over_seeds(json.loads(TRAINED.read_text())):
        view.add_row(*map(str, line))
    console.print(view)


def table(console: Console) -> None:
    """Print the rows."""
    view = Table(
        "network", "board", "accuracy %", "clocks", "busy", "cells", "RAMs", "MHz min/med/max", "images/s", "equal",
        "logits kept by shifts", "untrained",
    )  # fmt: skip
    for row in rows():
        speed = row["fmax_mhz"]
        kept = [row.get(f"{prefix}consistency") for prefix in ("", "untrained_")]
        view.add_row(
            row["network"], row["board"], f"{100 * row['accuracy']:.2f}", f"{row['cycles']:,}", f"{row['busy']:.1%}",
            f"{row['luts']:,}", str(row["brams"]), f"{speed['min']}/{speed['median']}/{speed['max']}",
            f"{row['images_per_s']:,}", f"{row['images_equal']}/{row['images_checked']}",
            *("" if share is None else f"{share:.1%}" for share in kept),
        )  # fmt: skip
    console.print(view)
    console.print(
        "rows that come with the project are of a JPEG copy of CIFAR-10; "
        f"{NEIGHBOUR_EPOCHS} epochs, 3-bit S3 in all layers, 8-bit activations; logits kept: "
        f"the share of all 1,024 circular shifts of {SHIFTED_IMAGES} test images"
    )


def main() -> None:
    """Measure what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only networks whose name contains this")
    parser.add_argument("--board", choices=BOARDS, help="only this board")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    arguments = parser.parse_args()
    console = Console(width=180)
    for board in BOARDS:
        for name in NETWORKS:
            wanted = arguments.only in name and arguments.board in (None, board)
            if wanted and not arguments.table:
                make_row(name, board, console)
    table(console)
    if TRAINED.exists():
        seeds(console)


if __name__ == "__main__":
    main()

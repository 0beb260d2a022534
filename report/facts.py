"""What a report says, collected from a build folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from bitstreams.board import Board
from hw.graph import Convolution, Logits
from hw.systolic.area import estimate_area
from hw.systolic.build import Build, BuildError
from hw.systolic.config import MemoryKind

FORMAT = 1
"""Version of the JSON beside the page."""

_PLACED = ("luts", "brams", "sprams", "dsps", "clock_mhz", "fmax_mhz")
_FLOORPLAN = ("parts", "tiles", "memories", "y_up")
_TRAINED = (
    "network",
    "model",
    "data",
    "method",
    "bits",
    "activation_bits",
    "seed",
    "accuracy",
    "integer_accuracy",
    "epochs",
)
_SIMULATED = ("images_checked", "images_equal", "values_compared", "cycles", "differences", "first_difference")


def collect(build: Build, board: Board) -> dict[str, Any]:
    """Return everything that the page shows, as JSON types.

    Parameters
    ----------
    build : Build
        A build folder; what ``generate`` has put there of the training, and what ``synth``, ``simulate`` and ``verify``
        have written there, is read too.
    board : Board
        The build's board.

    Raises
    ------
    BuildError
        If one of those files is damaged.
    """
    compiled, config = build.compiled, build.compiled.config
    placed = _read(build.folder / "board" / "result.json", "synth", _PLACED)
    levels = _read(build.folder / "verification.json", "verify", ("levels",))
    clock = placed["fmax_mhz"]["min"] if placed else board.clock_mhz
    described = json.loads((build.folder / "build.json").read_text())
    return {
        "format": FORMAT,
        "network": described["network"],
        "board": {"name": board.name, "title": board.title, "device": board.device.name},
        "engine": {
            "rows": config.rows,
            "cols": config.cols,
            "clusters": config.clusters,
            "requantizers": config.requantizers,
            "activation_bits": config.activation_bits,
            "alphabet": str(config.alphabet),
            "sum_bits": config.acc_width,
        },
        "speed": {
            "cycles": compiled.predicted_cycles,
            "busy": compiled.busy,
            "mhz": clock,
            "measured": placed is not None,
            "images_per_s": clock * 1e6 * config.clusters / compiled.predicted_cycles,
            "fmax_mhz": placed["fmax_mhz"] if placed else None,
            "pll_mhz": placed["clock_mhz"] if placed else None,
        },
        "multipliers": placed["dsps"] if placed else None,
        "size": _size(build, board, placed),
        "critical_path": _critical_path(build.folder / "board", placed),
        "floorplan": _read(build.folder / "board" / "floorplan.json", "synth", _FLOORPLAN) if placed else None,
        "layers": _layers(build),
        "edges": _edges(build),
        "memory": _memory(build),
        "equality": {
            "simulation": _read(build.folder / "simulation.json", "simulate", _SIMULATED),
            "levels": levels["levels"] if levels else None,
        },
        "training": _training(build, described["network"]["sha256"]),
        "tools": described["tools"],
    }


def _training(build: Build, network: str) -> Any:
    """Return the record of the network's training, ``None`` where there is none or it is another network's."""
    record = _read(build.folder / "training.json", "export", _TRAINED)
    return record if record and record["network"] == network else None


def _read(path: Path, verb: str, fields: tuple[str, ...]) -> Any:
    """Return the JSON object that a verb has written, ``None`` where there is none.

    Raises
    ------
    BuildError
        If it is damaged or has not the fields: the file, and the verb that writes it anew.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        missing = [field for field in fields if field not in found]
    except (ValueError, TypeError) as error:
        raise BuildError(f"{path}: damaged ({error}); run shiftforge {verb} again") from error
    if missing:
        raise BuildError(f"{path}: field {missing[0]!r} is missing; run shiftforge {verb} again")
    return found


def _size(build: Build, board: Board, placed: Any) -> list[dict[str, Any]]:
    """Return predicted, placed and available numbers of every kind of cell."""
    area = estimate_area(build.compiled.config, board.device)
    rows = [
        ("lookup tables", area.luts, "luts", board.device.luts),
        ("block RAMs", area.block_rams, "brams", board.device.block_rams),
    ]
    found = [
        {"what": what, "predicted": predicted, "placed": placed[key] if placed else None, "available": available}
        for what, predicted, key, available in rows
    ]
    if board.device.sprams:
        spram = build.compiled.config.memory is MemoryKind.SPRAM
        used = placed["sprams"] if placed else None
        found.append({"what": "SPRAMs", "predicted": 4 * spram, "placed": used, "available": board.device.sprams})
    return found


def _critical_path(folder: Path, placed: Any) -> dict[str, Any] | None:
    """Return the slowest path of the slowest seed: where it begins and ends, and its steps, in the source's names."""
    if not placed:
        return None
    speeds = placed["fmax_mhz"]["seeds"]
    seed = min(speeds, key=speeds.get)
    report = _read(folder / f"seed{seed}.json", "synth", ("critical_paths",))
    if not report or not report["critical_paths"]:
        return None
    paths = report["critical_paths"]
    # Those from a flip-flop to a flip-flop set the clock.
    inside = [path for path in paths if path["from"].startswith("posedge") and path["to"].startswith("posedge")]
    path = max(inside or paths, key=lambda path: sum(step["delay"] for step in path["path"]))
    steps: list[dict[str, Any]] = []
    for step in path["path"]:
        to, net = _name(step["to"]["cell"]), _name(step.get("net", ""))
        if not steps or steps[-1]["to"] != to:
            steps.append({"to": to, "ns": 0.0, "nets": [], "sources": []})
        last = steps[-1]
        last["ns"] = round(last["ns"] + step["delay"], 3)
        if net and net != to and net not in last["nets"]:
            last["nets"].append(net)
        # Only the part of a file's name that is the same on every machine.
        files = [re.sub(r"^.*/(?=(?:hw|bitstreams)/)", "", source) for source in step.get("sources", [])]
        last["sources"] += [file for file in files if file not in last["sources"] and not file.startswith("/")]
    return {"seed": seed, "ns": round(sum(step["ns"] for step in steps), 3), "steps": steps}


def _name(cell: str) -> str:
    """Return a cell's or net's name without what synthesis has put behind the source's."""
    return re.sub(r"_(?:LUT4|SB_|TRELLIS|PFUMX|L6MUX|CCU2C|DP16KD|\$).*$", "", cell)


def _layers(build: Build) -> list[dict[str, Any]]:
    compiled, network = build.compiled, build.compiled.network
    clocks: dict[str, int] = {}
    macs: dict[str, int] = {}
    for entry in compiled.layer_clocks:
        clocks[entry.node] = clocks.get(entry.node, 0) + entry.clocks
        macs[entry.node] = macs.get(entry.node, 0) + entry.macs
    bits: dict[str, int] = {}
    for plan in compiled.layers:
        bits[plan.node] = max(bits.get(plan.node, 0), plan.needs.acc_width)
    cells = compiled.config.rows * compiled.config.cols
    rows = []
    for node in network.nodes:
        tensor = network.tensors.get(node.output)
        row: dict[str, Any] = {
            "name": node.name,
            "operation": type(node).__name__,
            "output": list(tensor.shape) if tensor else None,
            "clocks": clocks.get(node.name, 0),
            "macs": macs.get(node.name, 0),
            "sum_bits": bits.get(node.name),
            "busy": macs.get(node.name, 0) / (cells * clocks[node.name]) if clocks.get(node.name) else None,
        }
        if isinstance(node, Convolution | Logits):
            sizes, counts = np.unique(np.abs(node.weight), return_counts=True)
            row |= {
                "alphabet": str(node.alphabet),
                "weights": int(node.weight.size),
                "magnitudes": {int(size): int(count) for size, count in zip(sizes, counts, strict=True)},
            }
        rows.append(row)
    return rows


def _edges(build: Build) -> list[list[int]]:
    """Return [from, to] of every tensor that a node reads; -1 is the image."""
    network = build.compiled.network
    makers = {network.input: -1} | {node.output: i for i, node in enumerate(network.nodes)}
    return [[makers[name], i] for i, node in enumerate(network.nodes) for name in node.inputs]


def _memory(build: Build) -> dict[str, Any]:
    """Return where every map lies, and from which layer to which."""
    compiled, network = build.compiled, build.compiled.network
    places = {node.name: i for i, node in enumerate(network.nodes)}
    maps = [
        {"name": m.name, "address": m.address, "words": m.words, "begin": places.get(m.born, -1), "end": places[m.dies]}
        for m in compiled.maps
    ]
    apart = bool(compiled.config.program_words)
    return {
        "words": compiled.config.memory_words,
        "word_bits": compiled.config.word_bits,
        "used": compiled.memory_words,
        "program": 0 if apart else len(compiled.words),
        "program_apart": len(compiled.words) if apart else 0,
        "maps": maps,
    }

"""The designs of the prediction's sweep: networks nobody trained, and engines for them on boards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.networks import untrained
from bitstreams.boards import board_by_name
from hw.devices import Family
from hw.graph import Network
from hw.systolic.array_shapes import with_shape
from hw.systolic.config import EngineConfig
from hw.systolic.shape import base_config, fit_and_compile, fit_widths

LIST = Path("bench/sweep.json")
"""The designs, drawn once at random: boards, models, images, weight methods, widths, arrays. No cost is fitted to the
models that are ``held_out``."""


@dataclass(frozen=True)
class Design:
    """An engine for a network on a board."""

    name: str
    board: str
    network: Network
    config: EngineConfig
    held_out: bool


@cache
def _network(model: str, shape: tuple[int, int, int], method: str, bits: int, activation_bits: int) -> Network:
    return untrained(model, shape=shape, method=method, bits=bits, activation_bits=activation_bits, steps=1)


def designs(family: Family) -> Iterator[Design]:
    """Yield the designs of a family."""
    listed = json.loads(LIST.read_text())
    for entry in listed["designs"]:
        if board_by_name(entry["board"]).device.family is family:
            yield _design(entry, held_out=entry["model"] in listed["held_out"])


def _design(entry: dict[str, Any], *, held_out: bool) -> Design:
    device = board_by_name(entry["board"]).device
    shape = entry["shape"]
    network = _network(entry["model"], tuple(shape), entry["method"], entry["bits"], entry["activation_bits"])
    rows, cols, clusters, share = entry["rows"], entry["cols"], entry["clusters"], entry["columns_per_requantizer"]
    config = with_shape(base_config([network], device), device.family, rows, cols, share)
    config, _ = fit_and_compile([network], fit_widths([network], config), device)
    image = "x".join(map(str, shape))
    times = f"x{clusters}" if clusters > 1 else ""
    name = (
        f"{entry['board']} {entry['model']} {image} {entry['method']}-{entry['bits']} a{entry['activation_bits']} "
        f"{rows}x{cols}{times} q{share}"
    )
    return Design(name, entry["board"], network, replace(config, clusters=clusters), held_out)

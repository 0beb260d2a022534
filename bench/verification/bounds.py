"""Both ends of every channel's sum, in gateware, for every trained network."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bitstreams.boards import board_by_name
from hw.graph import load
from hw.systolic.search import choose_config
from sim.extremes import measure_extremes

NETWORKS = {"digits-mlp": "hx8k_evn", "digits": "icebreaker", "resnet8-a4": "icebreaker", "resnet8": "icebreaker"}


def measure(console: Console) -> list[dict[str, Any]]:
    """Return a row for every layer."""
    rows = []
    for name, board in NETWORKS.items():
        network = load(f"examples/{name}.s3net")
        for layer in measure_extremes(network, choose_config([network], board_by_name(board).device)):
            console.print(
                f"{name}, {layer.layer}: {layer.reached} of {layer.channels} channels reach both ends of "
                f"{layer.width} bits, {'wraps' if layer.wraps else 'does not wrap'} with one less"
            )
            rows.append(
                {
                    "network": name,
                    "layer": layer.layer,
                    "width": layer.width,
                    "channels": layer.channels,
                    "reached": layer.reached,
                    "wraps_with_one_bit_less": layer.wraps,
                }
            )
    return rows

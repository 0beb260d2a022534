"""The memory plan as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from hw.devices import Device
from hw.systolic.area import estimate_area
from hw.systolic.compiler import CompiledNetwork
from hw.systolic.compiler.memory_plan import StoredMap
from hw.systolic.config import MemoryKind


def memory_table(layers: Sequence[str], maps: Sequence[StoredMap], program: int, *, apart: bool) -> Table:
    """Return the program and every map of a network: words, and the layers, counted from 1, that they are kept for.

    Parameters
    ----------
    layers : sequence of str
        Names of the network's layers.
    maps : sequence of StoredMap
        What is stored.
    program : int
        Words of program and weights.
    apart : bool
        Whether these have a memory of their own.
    """
    numbers = {name: i for i, name in enumerate(layers, 1)}
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("map", overflow="fold")
    table.add_column(" address", justify="right", no_wrap=True)
    table.add_column(" words", justify="right", no_wrap=True)
    table.add_column(" born at", justify="right", no_wrap=True)
    table.add_column(" dies at layer", overflow="fold")
    table.add_row("program, weights (apart)" if apart else "program, weights", "0", f"{program:,}", "", "")
    for stored in maps:
        name = stored.name.removesuffix(".out") + (f" in {stored.within.removesuffix('.out')}" if stored.within else "")
        dies = f"{numbers[stored.dies]:>3} {stored.dies}"
        born = str(numbers.get(stored.born, 0))
        table.add_row(Text(name), f"{stored.address:,}", f"{stored.words:,}", born, Text(dies))
    return table


def memory_total(compiled: CompiledNetwork, device: Device) -> str:
    """Return what a network takes of an engine's memory and a device's RAMs."""
    config = compiled.config
    used = f"memory: {compiled.memory_words:,} of {config.memory_words:,} words of {config.word_bits} bits"
    if config.memory is MemoryKind.SPRAM:
        return f"{used}, in the {device.sprams} SPRAMs of {device.name}"
    if config.program_words:
        used += f" for maps, {len(compiled.words):,} of {config.program_words:,} for the program"
    rams = estimate_area(config, device).block_rams
    return f"{used}; the whole engine takes {rams} of the {device.block_rams} block RAMs of {device.name}"

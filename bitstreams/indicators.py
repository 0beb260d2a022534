"""A board's lamps: the engine runs, the engine failed."""

from __future__ import annotations

from typing import Any

from amaranth import Module, ValueLike


def add_lamps(m: Module, platform: Any, runs: ValueLike, failed: ValueLike) -> None:
    """Show both on the first two lamps, on green and red of a three-coloured one, or ``runs`` alone."""
    there = platform.resources
    if ("led", 1) in there:
        lamps = [platform.request("led", 0).o, platform.request("led", 1).o]
    elif ("rgb_led", 0) in there:
        colours = platform.request("rgb_led", 0)
        lamps = [colours.g.o, colours.r.o]
    elif ("led", 0) in there:
        lamps = [platform.request("led", 0).o]
    else:
        lamps = []
    m.d.comb += [lamp.eq(value) for lamp, value in zip(lamps, (runs, failed), strict=False)]

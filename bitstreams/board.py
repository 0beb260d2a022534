"""What a board is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth import Module, Signal

from hw.devices import Device


@dataclass(frozen=True)
class Board:
    """An FPGA board.

    Attributes
    ----------
    name, title : str
        Name for the command line, and in full.
    device : Device
        Its FPGA.
    platform : callable
        Makes the amaranth-boards platform.
    clock_mhz : float
        Clock of the engine, made by the FPGA's PLL.
    baud : int
        Baud rate of the UART link.
    add_clock : callable
        ``add_clock(m, platform)`` adds the domain ``sync``; returns the PLL's clock and the reset.
    nextpnr : tuple of str
        Device options of nextpnr.
    """

    name: str
    title: str
    device: Device
    platform: Callable[[], Any]
    clock_mhz: float
    baud: int
    add_clock: Callable[[Module, Any], tuple[Signal, Signal]]
    nextpnr: tuple[str, ...]

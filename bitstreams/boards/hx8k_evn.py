"""Lattice iCE40-HX8K breakout board: 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from bitstreams.board import Board
from bitstreams.clocking import add_ice40_pll
from hw.devices import HX8K

CLOCK_MHZ = 84.0


def add_clock(m: Module, platform: Any) -> tuple[Signal, Signal]:
    """PLL: 12 MHz * 56 / 8 = 84 MHz."""
    return add_ice40_pll(m, platform.request("clk12", dir="i").i, multiply=56, log2_divide=3, pad=False)


HX8K_EVN = Board(
    name="hx8k_evn",
    title="iCE40-HX8K breakout board",
    device=HX8K,
    platform=ICE40HX8KBEVNPlatform,
    clock_mhz=CLOCK_MHZ,
    baud=1_000_000,
    add_clock=add_clock,
    nextpnr=("--hx8k", "--package", "ct256"),
)

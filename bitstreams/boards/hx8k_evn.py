"""Lattice iCE40-HX8K breakout board: 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from typing import Any

from amaranth import Const, Instance, Module, Signal
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from bitstreams.board import Board
from bitstreams.clocking import add_domain
from hw.devices import HX8K

CLOCK_MHZ = 84.0


def add_clock(m: Module, platform: Any) -> Signal:
    """PLL: 12 MHz * 56 / 8 = 84 MHz."""
    pin = platform.request("clk12", dir="i")
    clock = Signal()
    locked = Signal()
    m.submodules.pll = Instance(
        "SB_PLL40_CORE",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=0,
        p_DIVF=55,
        p_DIVQ=3,
        p_FILTER_RANGE=1,
        i_REFERENCECLK=pin.i,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    add_domain(m, clock, locked)
    return clock


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

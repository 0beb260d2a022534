"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from typing import Any

from amaranth import Const, Instance, Module, Signal
from amaranth_boards.icebreaker import ICEBreakerPlatform

from bitstreams.board import Board
from bitstreams.clocking import add_domain
from hw.devices import UP5K

CLOCK_MHZ = 40.5


def add_clock(m: Module, platform: Any) -> Signal:
    """PLL: 12 MHz * 54 / 16 = 40.5 MHz; the oscillator's pad drives the PLL directly."""
    pin = platform.request("clk12", dir="-")
    clock = Signal()
    locked = Signal()
    m.submodules.pll = Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=0,
        p_DIVF=53,
        p_DIVQ=4,
        p_FILTER_RANGE=1,
        i_PACKAGEPIN=pin.io,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    add_domain(m, clock, locked)
    return clock


ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker (iCE40 UP5K)",
    device=UP5K,
    platform=ICEBreakerPlatform,
    clock_mhz=CLOCK_MHZ,
    baud=1_000_000,
    add_clock=add_clock,
    nextpnr=("--up5k", "--package", "sg48"),
)

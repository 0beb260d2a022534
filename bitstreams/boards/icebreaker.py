"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth_boards.icebreaker import ICEBreakerPlatform

from bitstreams.board import Board
from bitstreams.clocking import add_ice40_pll
from hw.devices import UP5K

CLOCK_MHZ = 40.5


def add_clock(m: Module, platform: Any) -> tuple[Signal, Signal]:
    """PLL: 12 MHz * 54 / 16 = 40.5 MHz; the oscillator's pad drives the PLL directly."""
    return add_ice40_pll(m, platform.request("clk12", dir="-").io, multiply=54, log2_divide=4, pad=True)


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

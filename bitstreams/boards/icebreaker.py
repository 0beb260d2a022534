"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from amaranth_boards.icebreaker import ICEBreakerPlatform

from bitstreams.board import Board, openfpgaloader
from hw.devices import UP5K

ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker (iCE40 UP5K)",
    device=UP5K,
    platform=ICEBreakerPlatform,
    oscillator="clk12",
    pll_pad=True,
    clock_mhz=40.5,
    nextpnr=("--up5k", "--package", "sg48"),
    loader=openfpgaloader("ice40_generic"),
)

"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.icebreaker import ICEBreakerPlatform

from bitstreams.board import Board, openfpgaloader, spi_link
from hw.devices import UP5K

ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker (iCE40 UP5K)",
    device=UP5K,
    platform=ICEBreakerPlatform,
    oscillator="clk12",
    pll_pad=True,
    clock_mhz=42.0,
    baud=3_000_000,
    nextpnr=("--up5k", "--package", "sg48"),
    resources=(spi_link("1", "2", "3", "4", Attrs(IO_STANDARD="SB_LVCMOS"), ("pmod", 0)),),
    loader=openfpgaloader("ice40_generic"),
)

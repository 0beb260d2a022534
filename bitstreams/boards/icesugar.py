"""MuseLab iCESugar: iCE40 UP5K, 12 MHz from the programmer, whose UART it is too."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.icesugar import ICESugarPlatform

from bitstreams.board import Board, spi_link
from hw.devices import UP5K

ICESUGAR = Board(
    name="icesugar",
    title="iCESugar (iCE40 UP5K)",
    device=UP5K,
    platform=ICESugarPlatform,
    oscillator="clk12",
    pll_pad=True,
    clock_mhz=42.0,
    nextpnr=("--up5k", "--package", "sg48"),
    resources=(spi_link("1", "2", "3", "4", Attrs(IO_STANDARD="SB_LVCMOS"), ("pmod", 1)),),
    loader=("icesprog", "-o", "{address}", "{file}"),
)

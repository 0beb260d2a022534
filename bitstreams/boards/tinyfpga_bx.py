"""TinyFPGA BX: iCE40 LP8K, 16 MHz oscillator, no UART of its own."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from bitstreams.board import Board, spi_link
from hw.devices import LP8K

_PINS = Attrs(IO_STANDARD="SB_LVCMOS")

TINYFPGA_BX = Board(
    name="tinyfpga_bx",
    title="TinyFPGA BX (iCE40 LP8K)",
    device=LP8K,
    platform=TinyFPGABXPlatform,
    oscillator="clk16",
    clock_mhz=60.0,
    nextpnr=("--lp8k", "--package", "cm81"),
    resources=(UARTResource(0, rx="A2", tx="A1", attrs=_PINS), spi_link("B1", "C2", "C1", "D2", _PINS)),
    note="a USB-UART adapter of 3.3 V: its TX to pin 1, its RX to pin 2",
    loader=("tinyprog", "-p", "{file}"),
)

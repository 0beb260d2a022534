"""tinyVision UPduino 3: iCE40 UP5K, 12 MHz oscillator behind a solder jumper, no UART of its own."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.resources import SPIFlashResources, UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from bitstreams.board import Board, openfpgaloader, spi_link
from hw.devices import UP5K

_PINS = Attrs(IO_STANDARD="SB_LVCMOS")

UPDUINO_V3 = Board(
    name="upduino_v3",
    title="UPduino 3 (iCE40 UP5K)",
    device=UP5K,
    platform=UpduinoV3Platform,
    oscillator="clk12",
    clock_mhz=42.0,
    nextpnr=("--up5k", "--package", "sg48"),
    resources=(
        UARTResource(0, rx="28", tx="38", attrs=_PINS),
        spi_link("23", "25", "26", "27", _PINS),
        # The flash without the pin that it shares with the oscillator.
        *SPIFlashResources(1, cs_n="16", clk="15", cipo="17", copi="14", attrs=_PINS),
    ),
    flash=1,
    note="close the jumper OSC; a USB-UART adapter of 3.3 V: its TX to pin 28, its RX to pin 38",
    loader=openfpgaloader("ice40_generic"),
)

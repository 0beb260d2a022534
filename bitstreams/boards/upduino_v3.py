"""tinyVision UPduino 3: iCE40 UP5K, 12 MHz oscillator behind a solder jumper, no UART of its own."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from bitstreams.board import Board, openfpgaloader
from hw.devices import UP5K

UPDUINO_V3 = Board(
    name="upduino_v3",
    title="UPduino 3 (iCE40 UP5K)",
    device=UP5K,
    platform=UpduinoV3Platform,
    oscillator="clk12",
    clock_mhz=40.5,
    nextpnr=("--up5k", "--package", "sg48"),
    resources=(UARTResource(0, rx="28", tx="38", attrs=Attrs(IO_STANDARD="SB_LVCMOS")),),
    note="close the jumper OSC; a USB-UART adapter of 3.3 V: its TX to pin 28, its RX to pin 38",
    loader=openfpgaloader("ice40_generic"),
)

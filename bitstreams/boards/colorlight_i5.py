"""Colorlight i5 v7.0: ECP5, 25 MHz oscillator, on MuseLab's extension board, whose programmer has the UART."""

from __future__ import annotations

from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import LEDResources, UARTResource

from bitstreams.board import Board, openfpgaloader
from hw.devices import ECP5_25

_PINS = Attrs(IO_TYPE="LVCMOS33")


class ColorlightI5Platform(LatticeECP5Platform):
    """The pins in use; amaranth-boards has no definition of this board."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _PINS),
        *LEDResources(pins="U16", invert=True, attrs=_PINS),
        UARTResource(0, rx="H18", tx="J17", attrs=_PINS),
        Resource("flash_select", 0, PinsN("R2", dir="o"), _PINS),
    ]
    connectors: list[Connector] = []


COLORLIGHT_I5 = Board(
    name="colorlight_i5",
    title="Colorlight i5 v7.0 (ECP5 LFE5U-25F)",
    device=ECP5_25,
    platform=ColorlightI5Platform,
    oscillator="clk25",
    clock_mhz=120.0,
    nextpnr=("--25k", "--package", "CABGA381", "--speed", "6"),
    note="on MuseLab's extension board",
    loader=openfpgaloader("colorlight-i5"),
)

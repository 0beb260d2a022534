"""Radiona ULX3S: ECP5 of three sizes, 25 MHz oscillator, FTDI UART."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.ulx3s import ULX3S_12F_Platform, ULX3S_45F_Platform, ULX3S_85F_Platform

from bitstreams.board import Board, openfpgaloader, spi_link
from hw.devices import ECP5_12, ECP5_45, ECP5_85, Device


def _ulx3s(size: str, device: Device, platform: type) -> Board:
    return Board(
        name=f"ulx3s_{size}f",
        title=f"ULX3S (ECP5 LFE5U-{size}F)",
        device=device,
        platform=platform,
        oscillator="clk25",
        clock_mhz=120.0,
        baud=3_000_000,
        nextpnr=(f"--{size}k", "--package", "CABGA381", "--speed", "6"),
        resources=(spi_link("B11", "A10", "A9", "B9", Attrs(IO_TYPE="LVCMOS33")),),
        loader=openfpgaloader("ulx3s"),
    )


ULX3S_12F = _ulx3s("12", ECP5_12, ULX3S_12F_Platform)
ULX3S_45F = _ulx3s("45", ECP5_45, ULX3S_45F_Platform)
ULX3S_85F = _ulx3s("85", ECP5_85, ULX3S_85F_Platform)

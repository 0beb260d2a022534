"""What a board is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from amaranth import Module, Signal
from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

from bitstreams.pll import Setting, add_ecp5_pll, add_ice40_pll, fastest_setting
from hw.bus.uart import half_bits
from hw.devices import Device, Family

BAUD_ERROR = 0.01
"""Of a UART's baud rate that is accepted; both sides together stand 4%."""


def openfpgaloader(board: str, *options: str) -> tuple[str, ...]:
    """Return the command of openFPGALoader that writes the flash of a board of its list."""
    return ("openfpgaloader-cli", "-b", board, *options, "-f", "-o", "{address}", "{file}")


def spi_link(
    cs: str, copi: str, cipo: str, clk: str, attrs: Attrs, conn: tuple[str, int | str] | None = None
) -> Resource:
    """Return the pins of a host's SPI; on a Pmod connector they are 1 to 4."""
    return Resource(
        "spi_link",
        0,
        Subsignal("cs", PinsN(cs, dir="i", conn=conn)),
        Subsignal("copi", Pins(copi, dir="i", conn=conn)),
        Subsignal("cipo", Pins(cipo, dir="o", conn=conn)),
        Subsignal("clk", Pins(clk, dir="i", conn=conn)),
        attrs,
    )


@dataclass(frozen=True)
class Board:
    """An FPGA board.

    Attributes
    ----------
    name, title : str
        Name for the command line, and in full.
    device : Device
        Its FPGA.
    platform : callable
        Makes the amaranth-boards platform.
    oscillator : str
        Resource of the clock input; its frequency is the platform's.
    clock_mhz : float
        Greatest clock of the engine; the PLL makes the fastest one up to it.
    nextpnr : tuple of str
        Device options of nextpnr.
    pll_pad : bool
        iCE40: whether the oscillator's pin is the PLL's own.
    baud : int
        Baud rate of the UART link.
    resources : tuple of Resource
        What amaranth-boards' definition lacks.
    note : str
        What a user has to connect, or nothing.
    loader : tuple of str
        The command that writes a ``{file}`` to the flash, at an ``{address}`` where it can.
    flash : int
        Number of the flash among the platform's resources ``spi_flash_1x``.
    """

    name: str
    title: str
    device: Device
    platform: Callable[[], Any]
    oscillator: str
    clock_mhz: float
    nextpnr: tuple[str, ...]
    pll_pad: bool = False
    baud: int = 1_000_000
    resources: tuple[Resource, ...] = ()
    note: str = ""
    loader: tuple[str, ...] = ()
    flash: int = 0

    def make_platform(self) -> Any:
        """Return a platform with everything that the top level asks for."""
        platform = self.platform()
        platform.add_resources(self.resources)
        return platform

    def check_link(self, link: str) -> None:
        """Raise ``ValueError`` if the board has no pins for a link, ``uart`` or ``spi``."""
        name = {"uart": "uart", "spi": "spi_link"}[link]
        if (name, 0) not in self.make_platform().resources:
            raise ValueError(f"{self.title} has no pins for the link {link}; shiftforge boards lists what there is")

    @property
    def oscillator_mhz(self) -> float:
        """Frequency of the clock input."""
        resource = self.make_platform().lookup(self.oscillator)
        return float(resource.clock.frequency) / 1e6

    @property
    def pll(self) -> Setting:
        """How the clock is made."""
        return fastest_setting(self.device.family, self.oscillator_mhz, self.clock_mhz, self._suits)

    def _suits(self, clock_mhz: float) -> bool:
        """Whether the UART's baud rate can be made from a clock."""
        clock_hz = round(clock_mhz * 1e6)
        halves = half_bits(clock_hz, self.baud)
        return halves >= 8 and abs(2 * clock_hz / halves / self.baud - 1) <= BAUD_ERROR

    def at(self, clock_mhz: float) -> Board:
        """Return the board with the fastest clock up to ``clock_mhz`` that the UART can use."""
        setting = fastest_setting(self.device.family, self.oscillator_mhz, clock_mhz, self._suits)
        return replace(self, clock_mhz=setting.mhz)

    def add_clock(self, m: Module, platform: Any) -> tuple[Signal, Signal]:
        """Add the PLL and the domain ``sync``; return the PLL's clock and the reset, high until it is locked."""
        if self.device.family is Family.ECP5:
            return add_ecp5_pll(m, platform.request(self.oscillator, dir="i").i, self.pll)
        pin = platform.request(self.oscillator, dir="-").io if self.pll_pad else platform.request(self.oscillator).i
        return add_ice40_pll(m, pin, self.oscillator_mhz, self.pll, pad=self.pll_pad)

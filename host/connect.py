"""From a port's name to a board."""

from __future__ import annotations

from host.device import Device
from host.errors import HostError
from host.transport import SerialTransport, Transport, descriptor_spi, ftdi_spi

BAUDS = (3_000_000, 1_000_000)
"""Tried in turn where none is given."""


def connect(port: str | Transport, *, baud: int | None = None, timeout: float = 2.0, spi_hz: float = 6e6) -> Device:
    """Connect a board.

    Parameters
    ----------
    port : str or Transport
        A serial port (``/dev/ttyUSB1``), an URL of pyserial, ``ftdi://…`` for SPI through an FTDI chip (needs
        pyftdi), or ``spi:PATH`` for a device or pseudo-terminal that answers every byte by one.
    baud : int or None
        Of a serial port; ``None`` tries 3 and 1 Mbaud.
    timeout : float
        Seconds of silence after which a frame counts as lost.
    spi_hz : float
        Clock of an SPI, at most a quarter of the board's.

    Raises
    ------
    HostError
        In one sentence: no such port, no permission, a silent board, another version.
    """
    if not isinstance(port, str):
        return Device(port, timeout=timeout)
    if port.startswith("ftdi://"):
        return _opened(ftdi_spi(port, spi_hz), timeout)
    if port.startswith("spi:"):
        return _opened(descriptor_spi(port.removeprefix("spi:")), timeout)
    failure: HostError | None = None
    for rate in (baud,) if baud else BAUDS:
        transport = SerialTransport(port, rate, max(10, 5 * timeout))
        try:
            return _opened(transport, timeout if baud else min(timeout, 0.6))
        except HostError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _opened(transport: Transport, timeout: float) -> Device:
    try:
        return Device(transport, timeout=timeout)
    except BaseException:
        transport.close()
        raise

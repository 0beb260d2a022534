"""What carries bytes between a host and a board."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
import time
import tty
from collections.abc import Callable
from typing import Any, Protocol

from host.errors import HostError
from hw.bus.spi_device import ESCAPE, ESCAPED_ESCAPE, ESCAPED_IDLE, IDLE


class Transport(Protocol):
    """A line of bytes in both directions."""

    name: str
    """What it is called in messages."""

    def write(self, content: bytes) -> None:
        """Send bytes; ``HostError`` if the board is gone."""

    def read(self, timeout: float) -> bytes:
        """Return what came, after ``timeout`` seconds at the latest; ``HostError`` if the board is gone."""

    def close(self) -> None:
        """Give the line back."""


class SerialTransport:
    """A UART by pyserial, or anything else that pyserial opens.

    Parameters
    ----------
    port : str
        A device, or an URL of pyserial such as ``socket://localhost:4000``.
    baud : int
        Bits a second.
    patience : float
        Seconds in which the line must take what is written.

    Raises
    ------
    HostError
        If the port cannot be opened.
    """

    def __init__(self, port: str, baud: int, patience: float = 10) -> None:
        import serial

        self.name = port
        try:
            self._serial: Any = serial.serial_for_url(
                port, baudrate=baud, timeout=0, write_timeout=patience, exclusive=True
            )
        except (OSError, ValueError, serial.SerialException) as error:
            raise HostError(_why_not(port, error)) from error
        with contextlib.suppress(AttributeError, OSError, ValueError, NotImplementedError):
            # An FTDI chip waits 16 ms for more bytes otherwise.
            self._serial.set_low_latency_mode(True)

    def write(self, content: bytes) -> None:
        self._guarded(lambda: self._serial.write(content))

    def read(self, timeout: float) -> bytes:
        self._serial.timeout = timeout
        first = self._guarded(lambda: self._serial.read(1))
        return bytes(first + self._guarded(lambda: self._serial.read(self._serial.in_waiting))) if first else b""

    def close(self) -> None:
        self._serial.close()

    def _guarded(self, act: Callable[[], Any]) -> Any:
        import serial

        try:
            return act()
        except (OSError, serial.SerialException, TypeError) as error:
            # pyserial raises a TypeError where the device disappears in the middle of a read.
            raise HostError(f"{self.name}: the board is gone ({error}); plug it in and connect again") from error


def _why_not(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.ENOENT or "No such file" in text:
        return f"{port}: there is no such port; is the board plugged in?"
    if number == errno.EACCES or "Permission denied" in text:
        return f"{port}: no permission; add yourself to the group that owns the device (often dialout) and log in again"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return f"{port}: another program uses the port; close it and try again"
    return f"{port}: the port cannot be opened ({text})"


def slip_encode(content: bytes) -> bytes:
    """Return bytes as they are on an SPI: idle and escape bytes are escaped (RFC 1055)."""
    return content.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPED_ESCAPE])).replace(
        bytes([IDLE]), bytes([ESCAPE, ESCAPED_IDLE])
    )


class SlipDecoder:
    """Undoes escapes and drops idle bytes, however the bytes are cut into pieces."""

    def __init__(self) -> None:
        self._escaped = False

    def feed(self, content: bytes) -> bytes:
        """Return the data bytes among these."""
        found = bytearray()
        for value in content:
            if value == IDLE:
                self._escaped = False
            elif self._escaped:
                self._escaped = False
                found.append(IDLE if value == ESCAPED_IDLE else ESCAPE)
            elif value == ESCAPE:
                self._escaped = True
            else:
                found.append(value)
        return bytes(found)


class SpiTransport:
    """An SPI host; every byte out is a byte in.

    Parameters
    ----------
    exchange : callable
        ``exchange(out)`` returns as many bytes as it sends.
    name : str
        For messages.
    chunk : int
        Bytes of an exchange that only reads.
    close : callable
        Gives the line back.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        name: str = "spi",
        *,
        chunk: int = 256,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._exchange = exchange
        self._chunk = chunk
        self._close = close
        self._decoder = SlipDecoder()
        self._received = bytearray()

    def write(self, content: bytes) -> None:
        self._received += self._decoder.feed(self._transfer(slip_encode(content)))

    def read(self, timeout: float) -> bytes:
        limit = time.monotonic() + timeout
        while not self._received:
            self._received += self._decoder.feed(self._transfer(bytes([IDLE]) * self._chunk))
            if time.monotonic() > limit:
                break
        found = bytes(self._received)
        self._received.clear()
        return found

    def close(self) -> None:
        self._close()

    def _transfer(self, content: bytes) -> bytes:
        try:
            found = self._exchange(content)
        except OSError as error:
            raise HostError(f"{self.name}: the board is gone ({error}); plug it in and connect again") from error
        if len(found) != len(content):
            raise HostError(f"{self.name}: {len(content)} bytes were exchanged for {len(found)}")
        return found


def ftdi_spi(url: str, frequency_hz: float) -> SpiTransport:
    """Return an SPI of an FTDI chip by pyftdi, such as ``ftdi://ftdi:2232h/1``."""
    try:
        from pyftdi.ftdi import FtdiError
        from pyftdi.spi import SpiController
    except ImportError as error:
        raise HostError("SPI needs pyftdi: pip install 'shiftforge[spi]'") from error
    controller = SpiController(cs_count=1)
    try:
        controller.configure(url)
        port = controller.get_port(cs=0, freq=frequency_hz, mode=0)
    except (FtdiError, OSError, ValueError) as error:
        raise HostError(f"{url}: the SPI cannot be opened ({error})") from error
    return SpiTransport(lambda out: bytes(port.exchange(out, duplex=True)), url, close=controller.close)


def descriptor_spi(path: str) -> SpiTransport:
    """Return an SPI over a device on which every byte is answered by one, such as a simulation's pseudo-terminal."""
    try:
        number = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise HostError(_why_not(path, error)) from error
    with contextlib.suppress(termios.error):
        tty.setraw(number)

    def exchange(out: bytes) -> bytes:
        found = bytearray()
        for at in range(0, len(out), 512):
            part = out[at : at + 512]
            os.write(number, part)
            got = bytearray()
            while len(got) < len(part):
                got += os.read(number, len(part) - len(got))
            found += got
        return bytes(found)

    return SpiTransport(exchange, path, close=lambda: os.close(number))


class MemoryTransport:
    """A board in the same process, for tests.

    Parameters
    ----------
    board : callable
        ``board(content)`` takes bytes and returns those that the board sends.
    """

    def __init__(self, board: Callable[[bytes], bytes], name: str = "memory") -> None:
        self.name = name
        self._board = board
        self._received = bytearray()

    def write(self, content: bytes) -> None:
        self._received += self._board(content)

    def read(self, timeout: float) -> bytes:
        if not self._received:
            self._received += self._board(b"")
        found = bytes(self._received)
        self._received.clear()
        return found

    def close(self) -> None:
        pass

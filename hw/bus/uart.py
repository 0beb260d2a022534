"""UART, eight data bits, no parity, one stop bit."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


def check_divisor(divisor: float) -> None:
    """Raise ``ValueError`` unless a bit takes 4 to 65535 clocks, in halves."""
    if not 4 <= divisor <= 65535 or 2 * divisor != int(2 * divisor):
        raise ValueError(f"a UART bit must take 4 to 65535 clocks, or half a clock more, got {divisor}")


def half_bits(clock_hz: int, baud: int) -> int:
    """Return the half clocks of a bit that come closest to a baud rate."""
    return round(2 * clock_hz / baud)


def bit_clocks(divisor: float, longer: Value) -> Value:
    """Return the clocks of a bit, less two; half a clock is one in every second bit, the ``longer`` ones."""
    whole = int(divisor)
    return Const(whole - 2) if divisor == whole else Mux(longer, whole - 1, whole - 2)


class UartReceiver(wiring.Component):
    """Bytes from a serial line. A byte must be taken before the middle of the next one's first bit; else it is damaged.

    Parameters
    ----------
    divisor : float
        Clocks of a bit, in halves.

    Ports
    -----
    rx : in, asynchronous; high when idle
    o : stream of 8 bits, out

    Latency
    -------
    A byte is valid 9.5 bits and three clocks after the falling edge of its start bit.
    """

    def __init__(self, divisor: float) -> None:
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        # Both are counted down below zero, where the top bit says so.
        clocks = Signal(range(-1, int(1.5 * self.divisor)))
        left = Signal(range(-1, 9), init=-1)
        bits = Signal(8)
        valid = Signal()
        m.d.comb += [self.o.payload.eq(bits), self.o.valid.eq(valid)]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(left[-1]):
            with m.If(~rx):
                # From the edge to the middle of the first data bit.
                m.d.sync += [left.eq(8), clocks.eq(int(1.5 * self.divisor) - 2)]
        with m.Elif(~clocks[-1]):
            m.d.sync += clocks.eq(clocks - 1)
        with m.Else():
            m.d.sync += [clocks.eq(bit_clocks(self.divisor, ~left[0])), left.eq(left - 1)]
            with m.If(left == 0):
                # The stop bit must be high.
                m.d.sync += valid.eq(rx)
            with m.Else():
                m.d.sync += bits.eq(Cat(bits[1:], rx))
        return m


class UartTransmitter(wiring.Component):
    """Bytes onto a serial line.

    Parameters
    ----------
    divisor : float
        Clocks of a bit, in halves.

    Ports
    -----
    i : stream of 8 bits, in
    tx : out; high when idle

    Latency
    -------
    Ten bits a byte; the start bit begins one clock after the transfer.
    """

    def __init__(self, divisor: float) -> None:
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # As the receiver's.
        clocks = Signal(range(-1, int(self.divisor + 0.5)))
        left = Signal(range(-1, 10), init=-1)
        bits = Signal(10, init=0x3FF)
        m.d.comb += [self.tx.eq(bits[0]), self.i.ready.eq(left[-1])]
        with m.If(left[-1]):
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(9)]
                m.d.sync += clocks.eq(bit_clocks(self.divisor, Const(1)))
        with m.Elif(~clocks[-1]):
            m.d.sync += clocks.eq(clocks - 1)
        with m.Else():
            m.d.sync += [bits.eq(Cat(bits[1:], Const(1, 1))), left.eq(left - 1)]
            m.d.sync += clocks.eq(bit_clocks(self.divisor, ~left[0]))
        return m

"""SPI device, mode 0, with SLIP's bytes on it."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

IDLE = 0xC0
"""SLIP's END (RFC 1055): between two bytes, in both directions; the link sees none of them."""

ESCAPE = 0xDB
"""Before the two values below, which stand for IDLE and ESCAPE as data."""

ESCAPED_IDLE = 0xDC
ESCAPED_ESCAPE = 0xDD


class SpiDevice(wiring.Component):
    """Bytes from and to an SPI host, highest bit first, both directions at once.

    The clock is sampled, so that it may have at most a quarter of ``sync``'s frequency. A host that wants to read
    sends :data:`IDLE`; where there is nothing to send, it reads :data:`IDLE`. Data bytes are escaped as SLIP does it.

    Ports
    -----
    sck, copi : in, asynchronous
    select : in, asynchronous; high while the host selects the device, from four clocks before the first edge of ``sck``
        on. A byte begins anew with it.
    cipo : out; changes two to four clocks after the rising edge of ``sck``, and while the device is not selected
    o : stream of 8 bits, out; a byte must be taken before the next one is complete
    i : stream of 8 bits, in

    Latency
    -------
    A byte is valid four clocks after the rising edge of its last bit, at most.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "sck": In(1),
                "select": In(1),
                "copi": In(1),
                "cipo": Out(1),
                "o": Out(stream.Signature(8)),
                "i": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sck, select, copi = Signal(), Signal(), Signal()
        for name, pin, seen in (("sck", self.sck, sck), ("select", self.select, select), ("copi", self.copi, copi)):
            m.submodules[name] = FFSynchronizer(pin, seen)
        before = Signal()
        m.d.sync += before.eq(sck)
        rises = Signal()
        m.d.comb += rises.eq(sck & ~before & select)

        # One register for both directions: a bit enters below, one leaves above.
        bits, received = Signal(8), Signal(8)
        count = Signal(3)
        whole, begins, loads = Signal(), Signal(), Signal()
        m.d.comb += [
            self.cipo.eq(bits[7]),
            received.eq(Cat(copi, bits[:7])),
            whole.eq(rises & (count == 7)),
            begins.eq(rises & (count == 0)),
            loads.eq(whole | ~select),
        ]
        with m.If(~select):
            m.d.sync += count.eq(0)
        with m.If(rises):
            m.d.sync += [count.eq(count + 1), bits.eq(received)]

        # What came: escapes are undone, idle bytes dropped.
        escaped, valid = Signal(), Signal()
        byte = Signal(8)
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(byte)]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(whole):
            m.d.sync += [byte.eq(received), escaped.eq(received == ESCAPE)]
            m.d.sync += valid.eq((received != IDLE) & (received != ESCAPE))
            with m.If(escaped):
                m.d.sync += byte.eq(Mux(received == ESCAPED_IDLE, IDLE, ESCAPE))

        # What goes: chosen when a byte ends, or none is there; taken from the stream with its first bit, so that a host
        # may stop behind any byte.
        leads, ends, second = Signal(), Signal(), Signal()
        idle, special = self.i.payload == IDLE, (self.i.payload == IDLE) | (self.i.payload == ESCAPE)
        m.d.comb += self.i.ready.eq(begins & ends)
        with m.If(begins):
            m.d.sync += second.eq(leads)
        with m.If(loads):
            m.d.sync += [leads.eq(0), ends.eq(0), bits.eq(IDLE)]
            with m.If(self.i.valid):
                m.d.sync += [leads.eq(special & ~second), ends.eq(~special | second), bits.eq(self.i.payload)]
                with m.If(special):
                    m.d.sync += bits.eq(ESCAPE)
                with m.If(special & second):
                    m.d.sync += bits.eq(Mux(idle, ESCAPED_IDLE, ESCAPED_ESCAPE))
        return m

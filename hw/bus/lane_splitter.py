"""Bytes in, activations of four bits out."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class LaneSplitter(wiring.Component):
    """Gives every byte as two lanes of four bits, the low one first.

    Ports
    -----
    i : stream of 8 bits, in
    o : stream of 4 bits, out
    run : in
        A byte of which one lane was taken is begun anew when this changes.

    Latency
    -------
    None; a lane a clock passes.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(4)), "run": In(1)})

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        high = Signal()
        before = Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(Mux(high, self.i.payload[4:], self.i.payload[:4])),
            self.i.ready.eq(self.o.ready & high),
        ]
        m.d.sync += before.eq(self.run)
        with m.If(self.i.valid & self.o.ready):
            m.d.sync += high.eq(~high)
        with m.If(before != self.run):
            m.d.sync += high.eq(0)
        return m

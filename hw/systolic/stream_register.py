"""A register in a stream."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class StreamRegister(wiring.Component):
    """Holds one value, so that no path leads from who offers it to what is done with it.

    Parameters
    ----------
    shape : shape-like
        Of the payload.

    Ports
    -----
    i, o : streams, in and out

    Latency
    -------
    One clock; a value a clock passes.
    """

    def __init__(self, shape: ShapeLike) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Signal()
        payload = Signal(self.shape, reset_less=True)
        m.d.comb += [self.i.ready.eq(~full | self.o.ready), self.o.valid.eq(full), self.o.payload.eq(payload)]
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), payload.eq(self.i.payload)]
        return m

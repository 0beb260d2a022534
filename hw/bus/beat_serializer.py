"""Words of a bus in, bytes out."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

BYTE = data.StructLayout({"value": 8, "last": 1, "null": 1})
"""A byte of a frame; ``last`` ends the frame. With ``null`` there is no byte, only the end of the frame."""


def beat_layout(width: int) -> data.StructLayout:
    """Layout of a word of ``width`` bytes: ``value``, ``keep`` (a bit a byte) and ``last``."""
    return data.StructLayout({"value": 8 * width, "keep": width, "last": 1})


class BeatSerializer(wiring.Component):
    """Gives the bytes of a word that are kept, the lowest first; the highest of them is the last of a last word.

    Parameters
    ----------
    width : int
        Bytes of a word.

    Ports
    -----
    i : stream of :func:`beat_layout`, in
    o : stream of :data:`BYTE`, out

    Latency
    -------
    One clock; then a byte a clock, without a pause between words. A word of no bytes takes no time, unless it is last.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"i": In(stream.Signature(beat_layout(width))), "o": Out(stream.Signature(BYTE))})

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        value = Signal(8 * self.width, reset_less=True)
        keep = Signal(self.width)
        last = Signal()
        full = Signal()
        rest = Signal(self.width)
        beat = self.i.payload
        m.d.comb += [
            # Without the lowest bit that is set.
            rest.eq(keep & (keep - 1)),
            self.o.valid.eq(full),
            self.o.payload.last.eq(last & (rest == 0)),
            self.o.payload.null.eq(keep == 0),
            self.i.ready.eq(~full | (self.o.ready & (rest == 0))),
        ]
        for lane in reversed(range(self.width)):
            with m.If(keep[lane]):
                m.d.comb += self.o.payload.value.eq(value.word_select(lane, 8))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += keep.eq(rest)
        with m.If(self.i.ready):
            m.d.sync += [
                full.eq(self.i.valid & (beat.keep.any() | beat.last)),
                value.eq(beat.value),
                keep.eq(Mux(self.i.valid, beat.keep, 0)),
                last.eq(beat.last),
            ]
        return m

"""AXI4-Stream: programs and images in, logits out."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.beat_serializer import beat_layout
from hw.systolic.logit_output import LOGIT


def axi_stream(width: int, *, keep: bool) -> wiring.Signature:
    """Return the signals of a stream of ``width`` bytes, from the transmitter's side."""
    kept = {"tkeep": Out(width)} if keep else {}
    return wiring.Signature(
        {"tdata": Out(8 * width), **kept, "tvalid": Out(1), "tready": In(1), "tlast": Out(1)},
    )


class AxiStreamSlave(wiring.Component):
    """Frames of bytes from an AXI4-Stream. Bytes that TKEEP leaves out do not count; TLAST ends a program or an image.

    Parameters
    ----------
    width : int
        Bytes of TDATA: 1 or 4.

    Ports
    -----
    bus : :func:`axi_stream`, in
    o : stream of :func:`~hw.bus.beat_serializer.beat_layout`, out

    Latency
    -------
    None.
    """

    def __init__(self, width: int) -> None:
        if width not in (1, 4):
            raise ValueError(f"TDATA has 8 or 32 bits, got {8 * width}")
        self.width = width
        super().__init__({"bus": In(axi_stream(width, keep=True)), "o": Out(stream.Signature(beat_layout(width)))})

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.bus.tvalid),
            self.o.payload.value.eq(self.bus.tdata),
            self.o.payload.keep.eq(self.bus.tkeep),
            self.o.payload.last.eq(self.bus.tlast),
            self.bus.tready.eq(self.o.ready),
        ]
        return m


class AxiStreamMaster(wiring.Component):
    """Logits as an AXI4-Stream of 32-bit words; TLAST is with the last one of an image.

    Ports
    -----
    i : stream of :data:`~hw.systolic.logit_output.LOGIT`, in
    bus : :func:`axi_stream`, out

    Latency
    -------
    None.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(LOGIT)), "bus": Out(axi_stream(4, keep=False))})

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.bus.tvalid.eq(self.i.valid),
            self.bus.tdata.eq(self.i.payload.value),
            self.bus.tlast.eq(self.i.payload.last),
            self.i.ready.eq(self.bus.tready),
        ]
        return m

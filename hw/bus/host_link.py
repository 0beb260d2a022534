"""The link with its queues, between a byte transport and an engine."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.byte_fifo import ByteFifo
from hw.bus.frame_link import LOGIT, FrameLink

SEND_DEPTH = 512
"""Bytes of the queue to the host: an iCE40's block RAM."""


class HostLink(wiring.Component):
    """Queues in block RAM around :class:`~hw.bus.frame_link.FrameLink`.

    ::

          boot ──────────┐
          i ──► queue ──►├──► link ──► queue ──► o
                             ▲ ▼
                            engine

    While the engine computes, the next images wait in the queue from the host, and answers in the one to it.

    Parameters
    ----------
    blob, clusters, timeout, registered, prefix
        Of the link.
    depth : int
        Bytes of the queue from the host, a power of two; :attr:`credit` of them can be used.
    boot : bool
        Whether there is a stream that is read before the host's.

    Ports
    -----
    i : stream of 8 bits, in
        Bytes that come while it is not ready are lost, as the host's own fault.
    boot : stream of 8 bits, in; boot_done : in
        Only with ``boot``: requests from elsewhere, such as a stored load. The host's wait until ``boot_done`` is high
        and no byte is offered here; their replies go to the host as all others do.
    o : stream of 8 bits, out
    run, image, logits, klass, error, busy, cycles : to the engine, see :class:`~hw.systolic.engine.Engine`
    """

    def __init__(
        self,
        blob: bytes = b"",
        *,
        clusters: int = 1,
        timeout: int = 1 << 21,
        depth: int = 2048,
        registered: bool = False,
        boot: bool = False,
        prefix: bytes = b"",
    ) -> None:
        self.link = FrameLink(blob, clusters=clusters, timeout=timeout, registered=registered, prefix=prefix)
        # Several block RAMs deep: the choice between them is not on the way to the link as well.
        self.receive = ByteFifo(depth, registered=True)
        self.transmit = ByteFifo(SEND_DEPTH, registered=registered, bursts=True)
        self.has_boot = boot
        ports = {
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "run": Out(1),
            "image": Out(stream.Signature(8)),
            "logits": In(stream.Signature(LOGIT)),
            "klass": In(stream.Signature(16)),
            "error": In(3),
            "busy": In(1),
            "cycles": In(32),
        }
        if boot:
            ports |= {"boot": In(stream.Signature(8)), "boot_done": In(1)}
        super().__init__(ports)

    @property
    def credit(self) -> int:
        """Bytes that the host may send beyond a frame that is not answered yet."""
        return self.receive.capacity

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = self.link
        m.submodules.receive, m.submodules.transmit = self.receive, self.transmit
        wiring.connect(m, wiring.flipped(self.i), self.receive.i)
        wiring.connect(m, self.transmit.o, wiring.flipped(self.o))
        wiring.connect(m, link.o, self.transmit.i)
        host = self.receive.o
        if not self.has_boot:
            wiring.connect(m, host, link.i)
        else:
            booted = Signal()
            with m.If(self.boot_done & ~self.boot.valid):
                m.d.sync += booted.eq(1)
            with m.If(booted):
                wiring.connect(m, host, link.i)
            with m.Else():
                wiring.connect(m, wiring.flipped(self.boot), link.i)
        wiring.connect(m, link.image, wiring.flipped(self.image))
        wiring.connect(m, wiring.flipped(self.logits), link.logits)
        wiring.connect(m, wiring.flipped(self.klass), link.klass)
        m.d.comb += [
            self.run.eq(link.run),
            link.error.eq(self.error),
            link.busy.eq(self.busy),
            link.cycles.eq(self.cycles),
        ]
        return m

"""Between frames of bytes and the engine: only whole images and programs get through."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.beat_serializer import BYTE

SETTLE = 32
"""Clocks between a change of the engine's ``run`` and its next byte, and from a program's last byte to ``run``. Four
would do for the engine; behind so many it has checked its program, so that a damaged one is known before an image."""


class FrameGate(wiring.Component):
    """Drives the engine's ``run`` and ``image`` from frames whose last byte must come where it is expected.

    A frame is a program while the engine is stopped, and an image while it runs. The last byte of a frame is held back
    until it is known to be the last: the engine never begins an inference with an image of the wrong size. Such an
    image costs a restart of the program, after the answers to the images before it have left.

    ::

          STOPPED ──► CLEAR ──► SETTLE ──► PROGRAM ──► SETTLE ──► STOPPED        a program, whole or not
             │  ▲                             └──► DRAIN ──► STOPPED             one that is too long
             ▼  │
          IMAGES ◄──────────── RESTART ◄──── FLUSH ◄── DRAIN                     an image of the wrong size

    Parameters
    ----------
    settle : int
        Clocks of a pause, see :data:`SETTLE`.

    Ports
    -----
    i : stream of :data:`~hw.bus.beat_serializer.BYTE`, in
    image : stream of 8 bits, out; run : out; error, busy, image_ready : in
        To the engine.
    answered : in
        The last logit of an image leaves the engine.
    wanted_run : in
        Whether the engine is to run; ``refuse_run`` (out) asks to lower it, since nothing is loaded.
    program_bytes, image_bytes : 24 bits, in
        Sizes of frames.
    loaded, running, wanted : out
        A program is there; it runs; an image can be sent and nothing is under way.
    not_loaded, program_size, image_size, dropped : out
        Pulses, see :data:`~hw.bus.registers.EVENTS`.
    waits : out
        The engine waits for a byte of an image that has begun.

    Latency
    -------
    None from ``i`` to ``image``; a byte a clock.
    """

    def __init__(self, settle: int = SETTLE) -> None:
        self.settle = settle
        super().__init__(
            {
                "i": In(stream.Signature(BYTE)),
                "image": Out(stream.Signature(8)),
                "run": Out(1),
                "error": In(1),
                "busy": In(1),
                "answered": In(1),
                "wanted_run": In(1),
                "refuse_run": Out(1),
                "program_bytes": In(24),
                "image_bytes": In(24),
                "loaded": Out(1),
                "running": Out(1),
                "wanted": Out(1),
                "not_loaded": Out(1),
                "program_size": Out(1),
                "image_size": Out(1),
                "dropped": Out(1),
                "waits": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte = self.i.payload
        left = Signal(24)
        final = Signal()
        begun = Signal()
        clocks = Signal(range(self.settle))
        due = Signal(8)
        whole = Signal()
        offer = Signal()
        frame_end = Signal()
        transfer = Signal()
        size = Signal(24)
        # A byte is offered unless it is no byte, or the frame's last one that does not end it.
        m.d.comb += [
            self.image.payload.eq(byte.value),
            self.image.valid.eq(offer & self.i.valid & ~byte.null & ~(final & ~byte.last)),
            transfer.eq(self.image.valid & self.image.ready),
            frame_end.eq(self.i.valid & self.i.ready & byte.last),
            self.wanted.eq(0),
        ]
        with m.If(transfer):
            m.d.sync += [left.eq(left - 1), final.eq(left == 2), begun.eq(1)]
        with m.If(frame_end | ~(begun | transfer)):
            m.d.sync += [left.eq(size), final.eq(size == 1), begun.eq(0)]
        m.d.sync += due.eq(due + whole - self.answered)

        def settle(then: str) -> None:
            m.d.sync += clocks.eq(clocks + 1)
            with m.If(clocks == self.settle - 1):
                m.d.sync += clocks.eq(0)
                m.next = then

        with m.FSM():
            with m.State("STOPPED"):
                m.d.comb += size.eq(self.program_bytes)
                m.d.sync += [due.eq(0), clocks.eq(0)]
                with m.If(self.i.valid):
                    # The end of running begins a new program.
                    m.d.sync += [self.loaded.eq(0), self.run.eq(1)]
                    m.next = "CLEAR"
                with m.Elif(self.wanted_run & self.loaded):
                    m.d.sync += self.run.eq(1)
                    m.next = "START"
                with m.Elif(self.wanted_run):
                    m.d.comb += [self.refuse_run.eq(1), self.not_loaded.eq(1)]
            with m.State("START"):
                m.d.comb += [size.eq(self.image_bytes), self.running.eq(1)]
                settle("IMAGES")
            with m.State("CLEAR"):
                m.d.comb += size.eq(self.program_bytes)
                m.d.sync += self.run.eq(0)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += size.eq(self.program_bytes)
                settle("PROGRAM")
            with m.State("PROGRAM"):
                m.d.comb += [
                    size.eq(self.program_bytes),
                    offer.eq(1),
                    self.i.ready.eq((self.image.ready & self.image.valid) | byte.null),
                ]
                with m.If(frame_end):
                    with m.If(final & ~byte.null):
                        m.next = "KEEP"
                    with m.Else():
                        m.d.comb += self.program_size.eq(1)
                        m.next = "STOPPED"
                with m.Elif(self.i.valid & final & ~byte.last):
                    m.d.comb += self.program_size.eq(1)
                    m.next = "DRAIN PROGRAM"
            with m.State("KEEP"):
                settle("LOADED")
            with m.State("LOADED"):
                m.d.sync += self.loaded.eq(1)
                m.next = "STOPPED"
            with m.State("DRAIN PROGRAM"):
                m.d.comb += [size.eq(self.program_bytes), self.i.ready.eq(1)]
                with m.If(frame_end):
                    m.next = "STOPPED"
            with m.State("IMAGES"):
                m.d.comb += [
                    size.eq(self.image_bytes),
                    self.running.eq(1),
                    self.wanted.eq(~begun & (due == 0) & ~self.busy & ~self.error),
                ]
                m.d.sync += clocks.eq(0)
                with m.If(~self.wanted_run):
                    m.d.sync += self.run.eq(0)
                    m.next = "STOPPED"
                    with m.If(begun):
                        m.d.comb += self.dropped.eq(1)
                        m.next = "DRAIN PROGRAM"
                with m.Elif(self.error):
                    with m.If(self.i.valid):
                        m.d.comb += self.dropped.eq(1)
                        m.next = "DRAIN IMAGE"
                with m.Else():
                    m.d.comb += [
                        offer.eq(1),
                        self.i.ready.eq((self.image.ready & self.image.valid) | byte.null),
                        self.waits.eq(begun & self.image.ready & ~self.i.valid),
                    ]
                    with m.If(frame_end):
                        with m.If(final & ~byte.null):
                            m.d.comb += whole.eq(1)
                        with m.Else():
                            m.d.comb += self.image_size.eq(1)
                            m.next = "FLUSH"
                    with m.Elif(self.i.valid & final & ~byte.last):
                        m.d.comb += self.image_size.eq(1)
                        m.next = "DRAIN IMAGE"
            with m.State("DRAIN IMAGE"):
                m.d.comb += [size.eq(self.image_bytes), self.running.eq(1), self.i.ready.eq(1)]
                with m.If(frame_end):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += [size.eq(self.image_bytes), self.running.eq(1)]
                with m.If(~self.wanted_run):
                    m.d.sync += self.run.eq(0)
                    m.next = "STOPPED"
                with m.Elif(self.error):
                    m.next = "IMAGES"
                with m.Elif(due == 0):
                    m.d.sync += self.run.eq(0)
                    m.next = "RESTART"
            with m.State("RESTART"):
                m.d.comb += [size.eq(self.image_bytes), self.running.eq(1)]
                settle("AGAIN")
            with m.State("AGAIN"):
                m.d.comb += [size.eq(self.image_bytes), self.running.eq(1)]
                m.d.sync += self.run.eq(1)
                m.next = "START"
        return m

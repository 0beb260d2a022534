"""A small framed protocol between a byte link and an engine; ``docs/protocol.md`` describes it."""

from __future__ import annotations

import enum

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

REQUEST = 0xA5
"""First byte of a request."""

LENGTH_BITS = 18
"""Bits of a length that are used: a payload has up to 256 KiB."""

REPLY = 0x5A
"""First byte of a reply."""


class Command(enum.IntEnum):
    """Second byte of a request and of its reply."""

    LOAD = ord("L")
    INFER = ord("I")
    STATUS = ord("S")
    ERROR = ord("E")


class LinkError(enum.IntEnum):
    """Third byte of an ``ERROR`` reply."""

    COMMAND = 1
    TIMEOUT = 2


class FrameLink(wiring.Component):
    """Request frames in, reply frames out; drives the engine's ``run``, ``image``, ``logits`` and ``klass``.

    A request is ``A5 command length[3] payload``; ``LOAD`` fills the engine's memory and starts it, ``INFER`` sends an
    image, ``STATUS`` asks. A frame that stops in the middle, or an image the engine does not take, is answered with
    ``ERROR`` after ``2^timeout_bits`` clocks, and the engine is restarted: the link never hangs.

    Parameters
    ----------
    timeout_bits : int
        A frame is given up after ``2^timeout_bits`` clocks without progress; must be longer than an inference.

    Ports
    -----
    i, o : streams of 8 bits, in and out
    run, image, logits, klass, error, cycles : to the engine, see :class:`~hw.systolic.engine.Engine`
    """

    def __init__(self, timeout_bits: int = 24) -> None:
        self.timeout_bits = timeout_bits
        logit = data.StructLayout({"value": signed(32), "last": 1})
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "run": Out(1),
                "image": Out(stream.Signature(8)),
                "logits": In(stream.Signature(logit)),
                "klass": In(stream.Signature(16)),
                "error": In(2),
                "cycles": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command = Signal(8)
        left = Signal(LENGTH_BITS)
        length = Signal(24)
        part = Signal(2)
        out = Signal(32)
        out_left = Signal(3)
        last = Signal()
        run = Signal()
        problem = Signal(8)
        idle = Signal(self.timeout_bits + 1)
        expired = Signal()
        progress = (self.i.valid & self.i.ready) | (self.o.valid & self.o.ready)
        m.d.comb += [self.run.eq(run), self.o.payload.eq(out[:8]), expired.eq(idle[-1])]
        with m.If(progress):
            m.d.sync += idle.eq(0)
        with m.Elif(~expired):
            m.d.sync += idle.eq(idle + 1)

        def reply(kind: Command, *content: Value, size: int) -> None:
            m.d.sync += [out.eq(Cat(Const(REPLY, 8), Const(kind, 8), *content)), out_left.eq(size)]

        # Whether a program was loaded, so that a restart makes sense.
        loaded = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [idle.eq(0), part.eq(0)]
                with m.If(self.i.valid & (self.i.payload == REQUEST)):
                    m.next = "COMMAND"
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += command.eq(self.i.payload)
                    m.next = "LENGTH"
                with m.If(expired):
                    m.d.sync += problem.eq(LinkError.TIMEOUT)
                    m.next = "ERROR"
            with m.State("LENGTH"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        length.eq(Cat(length[8:], self.i.payload)),
                        left.eq(Cat(length[8:], self.i.payload)),
                        part.eq(part + 1),
                    ]
                    with m.If(part == 2):
                        m.next = "DISPATCH"
                with m.If(expired):
                    m.d.sync += problem.eq(LinkError.TIMEOUT)
                    m.next = "ERROR"
            with m.State("DISPATCH"):
                with m.Switch(command):
                    with m.Case(Command.LOAD):
                        m.d.sync += run.eq(0)
                        m.next = "SETTLE"
                    with m.Case(Command.INFER):
                        m.next = "FORWARD"
                    with m.Case(Command.STATUS):
                        reply(Command.STATUS, Cat(self.error, Const(0, 6)), run, size=4)
                        m.next = "SEND"
                    with m.Default():
                        m.d.sync += problem.eq(LinkError.COMMAND)
                        m.next = "ERROR"
            with m.State("SETTLE"):
                m.next = "FORWARD"
            with m.State("FORWARD"):
                m.d.comb += [
                    self.image.valid.eq(self.i.valid & (left != 0)),
                    self.image.payload.eq(self.i.payload),
                    self.i.ready.eq(self.image.ready & (left != 0)),
                ]
                with m.If(self.image.valid & self.image.ready):
                    m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += last.eq(0)
                    with m.If(command == Command.LOAD):
                        m.d.sync += [run.eq(1), loaded.eq(1)]
                        reply(Command.LOAD, size=2)
                        m.next = "SEND"
                    with m.Else():
                        reply(Command.INFER, size=2)
                        m.next = "SEND"
                with m.If(expired):
                    m.d.sync += problem.eq(LinkError.TIMEOUT)
                    m.next = "ERROR"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(out_left != 0)
                with m.If(self.o.ready & self.o.valid):
                    m.d.sync += [out.eq(out >> 8), out_left.eq(out_left - 1)]
                with m.If(out_left == 0):
                    m.next = "IDLE"
                    with m.If(command == Command.INFER):
                        m.next = "LOGITS"
                        with m.If(last):
                            m.next = "CLASS"
            with m.State("LOGITS"):
                m.d.comb += self.logits.ready.eq(1)
                with m.If(self.logits.valid):
                    m.d.sync += [out.eq(self.logits.payload.value), out_left.eq(4), last.eq(self.logits.payload.last)]
                    m.next = "SEND"
                with m.If(expired):
                    m.d.sync += problem.eq(LinkError.TIMEOUT)
                    m.next = "ERROR"
            with m.State("CLASS"):
                m.d.comb += self.klass.ready.eq(1)
                with m.If(self.klass.valid):
                    m.d.sync += [out.eq(self.klass.payload), out_left.eq(2), part.eq(0)]
                    m.next = "TAIL"
                with m.If(expired):
                    m.d.sync += problem.eq(LinkError.TIMEOUT)
                    m.next = "ERROR"
            with m.State("TAIL"):
                # The class, then the clocks; the engine ends its count some clocks after the class.
                m.d.comb += self.o.valid.eq(out_left != 0)
                with m.If(self.o.ready & self.o.valid):
                    m.d.sync += [out.eq(out >> 8), out_left.eq(out_left - 1)]
                with m.If(out_left == 0):
                    m.d.sync += [out.eq(self.cycles), out_left.eq(4), part.eq(1)]
                    with m.If(part == 1):
                        m.next = "IDLE"
            with m.State("ERROR"):
                # Stop the engine for a moment: what it holds of the frame is gone.
                m.d.sync += [command.eq(0), run.eq(0)]
                reply(Command.ERROR, problem, size=3)
                m.next = "RESTART"
            with m.State("RESTART"):
                m.d.sync += run.eq(loaded)
                m.next = "SEND"
        return m

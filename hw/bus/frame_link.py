"""A small framed protocol between a byte link and an engine; ``docs/protocol.md`` describes it."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.hdl import ValueLike, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

REQUEST = 0xA5
"""First byte of a request."""

REPLY = 0x5A
"""First byte of a reply."""


class Command(enum.Enum, shape=2):  # type: ignore[call-arg]
    """What a request wants, and what a reply is."""

    LOAD = 0
    INFER = 1
    STATUS = 2
    ERROR = 3


CODES: dict[Any, int] = {
    Command.LOAD: ord("L"),
    Command.INFER: ord("I"),
    Command.STATUS: ord("S"),
    Command.ERROR: ord("E"),
}
"""Second byte of a request and of its reply."""


class LinkError(enum.Enum, shape=2):  # type: ignore[call-arg]
    """Third byte of an ``ERROR`` reply."""

    COMMAND = 1
    TIMEOUT = 2
    ENGINE = 3


class FrameLink(wiring.Component):
    """Request frames in, reply frames out; drives the engine's ``run``, ``image``, ``logits`` and ``klass``.

    A request is ``A5 command length[3] payload``; ``LOAD`` fills the engine's memory and starts it, ``INFER`` sends an
    image, ``STATUS`` asks. A frame that stops in the middle, or an image the engine does not take, is answered with
    ``ERROR`` after ``2^timeout_bits`` clocks, and the engine is restarted: the link never hangs. Where the engine
    itself stopped with an error, the rest of the frame is dropped, and the engine stays as it is for ``STATUS``.

    Parameters
    ----------
    timeout_bits : int
        A frame is given up after ``2^timeout_bits`` clocks without progress; must be longer than an inference.

    images : int
        Images of a frame and answers of its reply, one for every cluster of the engine.

    Ports
    -----
    i, o : streams of 8 bits, in and out
    run, image, logits, klass, error, busy, cycles : to the engine, see :class:`~hw.systolic.engine.Engine`
    """

    def __init__(self, timeout_bits: int = 24, images: int = 1) -> None:
        self.timeout_bits = timeout_bits
        self.images = images
        logit = data.StructLayout({"value": signed(32), "last": 1})
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "run": Out(1),
                "image": Out(stream.Signature(8)),
                "logits": In(stream.Signature(logit)),
                "klass": In(stream.Signature(16)),
                "error": In(3),
                "busy": In(1),
                "cycles": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command = Signal(Command)
        left = Signal(24)
        part = Signal(2)
        run = Signal()
        # Whether a program was loaded, so that a restart makes sense.
        loaded = Signal()
        problem = Signal(LinkError, init=LinkError.COMMAND)
        idle = Signal(self.timeout_bits + 1)
        expired = Signal()
        # A clock late: the way to it from the other end of a stream is long.
        progress = Signal()
        m.d.sync += progress.eq((self.i.valid & self.i.ready) | (self.o.valid & self.o.ready))
        m.d.comb += [self.run.eq(run), expired.eq(idle[-1])]
        with m.If(progress):
            m.d.sync += idle.eq(0)
        with m.Elif(~expired):
            m.d.sync += idle.eq(idle + 1)

        # Whether bytes are left, known two clocks after the last one was taken: they come every fourth clock at most.
        more = Signal()
        took = Signal()
        answered = Signal(range(self.images))
        offered = Signal()
        m.d.sync += [more.eq(left != 0), took.eq(0), offered.eq(0)]

        # What is being sent: the bytes of a word, lowest first.
        word = Signal(32)
        sent = Signal()
        m.d.comb += sent.eq(self.o.valid & self.o.ready)
        with m.Switch(part):
            for i in range(4):
                with m.Case(i):
                    m.d.comb += self.o.payload.eq(word.word_select(i, 8))
        with m.If(sent):
            m.d.sync += part.eq(part + 1)

        def send(content: Value, size: int, then: str, *, when: ValueLike = 1) -> Signal:
            """Send ``size`` bytes, then go on; return whether this clock sends the last one."""
            done = Signal()
            m.d.comb += [word.eq(content), self.o.valid.eq(when), done.eq(sent & (part == size - 1))]
            with m.If(done):
                m.d.sync += part.eq(0)
                m.next = then
            return done

        def give_up() -> None:
            with m.If(expired):
                m.d.sync += problem.eq(LinkError.TIMEOUT)
                m.next = "ERROR"

        # The engine is offered the byte where it is, until it has taken it. The link knows a clock later, so that no
        # path leads from the engine's state through the link's.
        handed = Signal()
        # A stopped engine takes nothing; what is left of its image is dropped.
        failed = Signal()
        m.d.sync += failed.eq(self.error.any() & (command == Command.INFER))
        taken = offered & (self.image.ready | failed)
        m.d.sync += handed.eq(taken)
        m.d.comb += [self.image.valid.eq(offered), self.image.payload.eq(self.i.payload), self.i.ready.eq(handed)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [idle.eq(0), part.eq(0), answered.eq(0)]
                with m.If(self.i.valid & (self.i.payload == REQUEST)):
                    m.next = "COMMAND"
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += command.eq(Command.ERROR)
                    with m.Switch(self.i.payload):
                        for name in (Command.LOAD, Command.INFER, Command.STATUS):
                            with m.Case(CODES[name]):
                                m.d.sync += command.eq(name)
                    m.next = "LENGTH"
                give_up()
            with m.State("LENGTH"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [left.eq(Cat(left[8:], self.i.payload)), part.eq(part + 1)]
                    with m.If(part == 2):
                        m.d.sync += part.eq(0)
                        m.next = "DISPATCH"
                give_up()
            with m.State("DISPATCH"):
                with m.Switch(command):
                    with m.Case(Command.LOAD):
                        # Also where it was stopped: an end of running begins a new program.
                        m.d.sync += run.eq(1)
                        m.next = "STOP"
                    with m.Case(Command.INFER):
                        m.next = "FORWARD"
                    with m.Case(Command.STATUS):
                        m.next = "HEAD"
                    with m.Default():
                        m.d.sync += problem.eq(LinkError.COMMAND)
                        m.next = "ERROR"
            with m.State("STOP"):
                m.d.sync += run.eq(0)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "FORWARD"
            with m.State("FORWARD"):
                # The engine computes or answers while bytes are left: the image is too long, and the engine would take
                # the rest for the beginning of the next one.
                surplus = (self.busy | self.logits.valid) & (command == Command.INFER)
                m.d.sync += offered.eq(self.i.valid & more & ~taken & ~handed & ~took & ~surplus)
                with m.If(handed):
                    m.d.sync += [left.eq(left - 1), took.eq(1)]
                with m.If(~more & ~took):
                    m.next = "COMPUTE"
                    with m.If(command == Command.LOAD):
                        m.d.sync += [run.eq(1), loaded.eq(1)]
                        m.next = "HEAD"
                give_up()
            with m.State("COMPUTE"):
                # The reply begins when there is something to say.
                with m.If(self.logits.valid):
                    m.next = "HEAD"
                with m.If(failed):
                    m.d.sync += [problem.eq(LinkError.ENGINE), command.eq(Command.ERROR)]
                    m.next = "HEAD"
                give_up()
            with m.State("HEAD"):
                code = Signal(8)
                with m.Switch(command):
                    for name, value in CODES.items():
                        with m.Case(name):
                            m.d.comb += code.eq(value)
                done = send(Cat(Const(REPLY, 8), code), 2, "IDLE")
                with m.If(done):
                    with m.Switch(command):
                        with m.Case(Command.INFER):
                            m.next = "LOGITS"
                        with m.Case(Command.STATUS):
                            m.next = "STATUS"
                        with m.Case(Command.ERROR):
                            m.next = "PROBLEM"
            with m.State("STATUS"):
                send(Cat(self.error, Const(0, 5), run), 2, "IDLE")
            with m.State("PROBLEM"):
                send(problem, 1, "IDLE")
            with m.State("LOGITS"):
                done = send(self.logits.payload.value, 4, "LOGITS", when=self.logits.valid)
                m.d.comb += self.logits.ready.eq(done)
                with m.If(done & self.logits.payload.last):
                    m.next = "CLASS"
                give_up()
            with m.State("CLASS"):
                done = send(self.klass.payload, 2, "CYCLES", when=self.klass.valid)
                m.d.comb += self.klass.ready.eq(done)
                give_up()
            with m.State("CYCLES"):
                # The engine ends its count some clocks after the class, long before two bytes are sent.
                done = send(self.cycles, 4, "IDLE")
                with m.If(done & (answered != self.images - 1)):
                    m.d.sync += answered.eq(answered + 1)
                    m.next = "LOGITS"
            with m.State("ERROR"):
                # Stop the engine for a moment: what it holds of the frame is gone.
                m.d.sync += [command.eq(Command.ERROR), run.eq(0), part.eq(0)]
                m.next = "RESTART"
            with m.State("RESTART"):
                m.d.sync += run.eq(loaded)
                m.next = "HEAD"
        return m

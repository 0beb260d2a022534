"""The second half of the link's microprogram: what a frame's end brings about, and replies."""

from __future__ import annotations

from hw.bus.frame_types import PREFIX_BYTES, REPLY, Frame, LinkError
from hw.bus.link_cells import (
    ANSWER_LENGTH,
    ANSWERED,
    COUNT,
    COUNTER_BYTES,
    COUNTERS,
    ECHO,
    HEADER,
    LEFT,
    LENGTH,
    NOTHING,
    PAUSE,
    PHASE,
    PREFIX,
    PROBLEM,
    REFUSED,
    REPLY_LENGTH,
    REPLY_TYPE,
    SEQUENCE,
    SHORT,
    TIMER,
    TYPE,
)
from hw.bus.link_steps import Steps
from hw.bus.microcode import Condition, Order, Pointer, Source, Write
from hw.systolic.logit_output import LATE


class Replies(Steps):
    """Checks of a payload, and replies."""

    def write_end_of_payload(self) -> None:
        """Is the payload what was sent? Then what was asked for is done."""
        self.label("check")
        self.do()
        self.branch(Condition.GOOD, "done")
        self.set(PROBLEM, LinkError.CRC)
        self.label("refuse")
        self.count(REFUSED, "refused", "refusal")
        self.label("refusal")
        self.set(REPLY_TYPE, Frame.ERROR)
        self._length(2, 1)
        self.point(PROBLEM)
        # What the engine holds of the frame is gone; one that stopped with an error says so until a load.
        self.branch(Condition.ERROR, "reply")
        self.branch(Condition.RUN, "start", "reply")
        self.label("done")
        self.is_zero(PROBLEM, "good", "refuse")
        self.label("good")
        self.copy(HEADER, REPLY_TYPE)
        self.copy(HEADER, TYPE)
        self._length(1, 0)
        self.less(TYPE)
        self.branch(Condition.ZERO, "unknown")
        for name in ("load", "infer", "self-test", "identify", "counters", "reset", "status"):
            self.less(TYPE)
            self.branch(Condition.ZERO, {"status": "reply", "load": "start"}.get(name, f"do {name}"))
        self.label("unknown")
        self.set(PROBLEM, LinkError.TYPE)
        self.go("refuse")
        self.label("do identify")
        self._length(1 + PREFIX_BYTES + len(self.blob), PREFIX_BYTES + len(self.blob), zeros=False)
        self.point(PREFIX)
        self.go("reply")
        self.label("do counters")
        self._length(1 + COUNTER_BYTES, COUNTER_BYTES, zeros=False)
        self.point(COUNTERS)
        self.go("reply")
        self.label("do reset")
        self.go("reply", order=Order.STOP)
        self.label("do self-test")
        self.copy(LENGTH, LEFT)
        self.read(LENGTH)
        self.do(cell=REPLY_LENGTH, write=Write.MORE)
        self.point(ECHO)
        self.branch(Condition.RUN, "start", "reply")
        self.label("start")
        # Stopped for a while, and then running for as long: the engine looks at its program's head meanwhile.
        self.do(order=Order.BEGIN_INPUT)
        self.do(order=Order.STOP)
        self.label("pause")
        self.set(COUNT, PAUSE)
        self.label("pausing")
        self.less(COUNT)
        self.branch(Condition.ZERO, "paused", "pausing")
        self.label("paused")
        self.branch(Condition.RUN, "settled")
        self.go("pause", order=Order.RUN)
        self.label("settled")
        self.branch(Condition.ERROR, "engine error", "reply")
        self.label("do infer")
        self.set(PHASE, NOTHING)
        self.return_to("awaited")
        # An engine that has a whole image is busy soon.
        self.set(TIMER + 2, 0)
        self.set(TIMER + 1, SHORT)
        self.label("awaited")
        self.branch(Condition.LOGITS, "answer")
        self.branch(Condition.ERROR, "engine error")
        self.branch(Condition.BUSY, "awaited", "tick")
        self.label("engine error")
        self.set(PROBLEM, LinkError.ENGINE)
        self.go("refuse")

    def _length(self, whole: int, stored: int, *, zeros: bool = True) -> None:
        """Set a reply's length, and how much of it comes from memory; without ``zeros`` behind a shorter one."""
        for cell, value in (
            (REPLY_LENGTH, whole & 255),
            (REPLY_LENGTH + 1, whole >> 8),
            (REPLY_LENGTH + 2, 0),
            (LEFT, stored & 255),
            (LEFT + 1, stored >> 8),
        ):
            if value or zeros:
                self.set(cell, value)

    def _head(self, name: str, length: int) -> None:
        """Send a reply's header, and begin its payload's CRC."""
        self.label(name)
        self.branch(Condition.ROOM, f"{name} room", name)
        self.label(f"{name} room")
        self.read(self.constant(REPLY))
        self.send(Source.CELL, cell=self.constant(REPLY))
        self.send(Source.CELL)
        self.do(order=Order.BEGIN_OUTPUT)
        self.read(REPLY_TYPE)
        self.send(Source.CELL, cell=SEQUENCE)
        self.send(Source.CELL, cell=length)
        for i in (1, 2):
            self.send(Source.CELL, cell=length + i)
        self.send(Source.CELL)
        self._crc()

    def _crc(self) -> None:
        # The last bit is in a clock later.
        self.do()
        self.send(Source.CRC_HIGH)
        self.send(Source.CRC_LOW)
        self.do(order=Order.BEGIN_OUTPUT)

    def write_replies(self) -> None:
        """Everything but an answer: the state, and content from memory."""
        self._head("reply", REPLY_LENGTH)
        self.label("state")
        self.branch(Condition.ROOM, "state room", "state")
        self.label("state room")
        self.send(Source.STATE)
        self.label("content")
        self.less(LEFT)
        self.branch(Condition.ZERO, "content 1")
        self.label("content room")
        self.branch(Condition.ROOM, "content byte", "content room")
        self.label("content byte")
        self.do(pointer=Pointer.STEP)
        self.go("content", source=Source.CELL, byte=1)
        self.label("content 1")
        self.less(LEFT + 1)
        self.branch(Condition.ZERO, "end of reply", "content room")
        self.label("end of reply")
        self._crc()
        self.go("hunt")

    def write_answer(self) -> None:
        """Logits and classes, one cluster after another, and clocks."""
        self.label("answer")
        self.set(REPLY_TYPE, Frame.INFER)
        self.set(COUNT, self.clusters - 1)
        self._head("answer head", ANSWER_LENGTH)
        self.label("logits")
        self.branch(Condition.ROOM, "logits room", "logits")
        self.label("logits room")
        self.branch(Condition.LOGITS, "logit")
        self.branch(Condition.BUSY, "logits room")
        # The engine stopped, or has ended without what it announced, unless that is on its way.
        for _ in range(LATE):
            self.do()
        self.branch(Condition.LOGITS, "logit", "cut off")
        self.label("logit")
        for i in range(4):
            self.send(Source.LOGIT + i)
        self.branch(Condition.LAST, "last logit")
        self.go("logits", order=Order.TAKE)
        self.label("last logit")
        self.do(order=Order.TAKE)
        self.label("class")
        # It comes a few clocks behind the last logit, whatever becomes of the engine.
        self.branch(Condition.KLASS, "class there", "class")
        self.label("class there")
        self.send(Source.KLASS)
        self.send(Source.KLASS + 1)
        self.do(order=Order.TAKE)
        self.less(COUNT)
        self.branch(Condition.ZERO, "cycles", "logits")
        self.label("cycles")
        self.branch(Condition.BUSY, "cycles")
        self.label("cycles room")
        self.branch(Condition.ROOM, "cycles there", "cycles room")
        self.label("cycles there")
        for i in range(4):
            self.send(Source.CYCLES + i, cell=COUNTERS + i, write=Write.SAME)
        self._crc()
        self.count(ANSWERED, "answered", "go on")
        self.label("go on")
        self.read(PHASE)
        self.do(cell=TYPE, write=Write.LESS)
        # Back to where the answer was seen: the engine may have taken meanwhile what it is offered.
        self.branch(Condition.ZERO, "patience", "hunt")
        self.label("cut off")
        # The reply has no end; another one says why.
        self.is_zero(PHASE, "broke off", "engine error")

"""The link's microprogram: what it does with every byte."""

from __future__ import annotations

from collections.abc import Mapping

from hw.bus.frame_types import DIGEST_BYTES, ECHO_BYTES, PREFIX_BYTES, REPLY, Frame, LinkError
from hw.bus.microcode import CELL_BITS, Assembler, Condition, Order, Pointer, Source, Write

HEADER = 0
"""Cells of a request's type, sequence number, length and CRC."""

HEADER_BYTES = 7
SEQUENCE = 1
LENGTH = 2
PHASE = 7
"""What is being received."""

PAYLOAD, TAIL, HEAD, NOTHING = 0, 1, 2, 3
"""A payload, its CRC, a header; nothing, since an image's answer is awaited."""

PROBLEM = 8
"""The :class:`LinkError` of a frame, 0 if it is good."""

COUNT = 9
TIMER = 10
"""Three cells, counted down without progress."""

REPLY_TYPE = 13
REPLY_LENGTH = 14
"""Three cells."""

TYPE = 17
"""A copy, to count down."""

LEFT = 18
"""Three cells: bytes that are left, less one."""

COUNTERS = 21
"""Clocks of the last inference, images answered, frames refused, looks for a byte in the middle of an image."""

ANSWERED, REFUSED, STALLS = COUNTERS + 4, COUNTERS + 8, COUNTERS + 12
COUNTER_BYTES = 16
CONSTANTS = COUNTERS + COUNTER_BYTES
BLOB = 1 << CELL_BITS
"""Where the description of the board begins; the digest of the loaded network is before it."""

PREFIX = BLOB - PREFIX_BYTES
ANSWER_LENGTH = PREFIX + DIGEST_BYTES
"""Three cells: the length of an answer."""

ECHO = PREFIX - ECHO_BYTES
"""Where a self-test's payload is kept."""


class _Program(Assembler):
    def __init__(self, clusters: int, timeout: int, blob: bytes) -> None:
        super().__init__()
        self.constants: dict[int, int] = {}
        self.places: dict[str, int] = {}
        self.clusters = clusters
        self.timeout = timeout
        self.blob = blob

    # -- small steps ------------------------------------------------------------------------------------------------

    def constant(self, value: int) -> int:
        """Return the cell of a constant."""
        if value not in self.constants:
            self.constants[value] = CONSTANTS + len(self.constants) + len(self.places)
        return self.constants[value]

    def place(self, label: str) -> int:
        """Return the cell that holds a label's address."""
        if label not in self.places:
            self.places[label] = CONSTANTS + len(self.constants) + len(self.places)
        return self.places[label]

    def read(self, cell: int) -> None:
        """Read a cell; the next instruction has it as ``Source.CELL``."""
        self.do(cell=cell)

    def set(self, cell: int, value: int) -> None:
        """Put a constant into a cell."""
        if value == 0:
            self.do(source=Source.NOTHING, cell=cell, write=Write.SAME)
        else:
            self.read(self.constant(value))
            self.do(cell=cell, write=Write.SAME)

    def copy(self, source: int, target: int) -> None:
        """Copy a cell."""
        self.read(source)
        self.do(cell=target, write=Write.SAME)

    def less(self, cell: int) -> None:
        """Count a cell down; a branch behind it sees whether it was zero before."""
        self.read(cell)
        self.do(cell=cell, write=Write.LESS)

    def return_to(self, label: str) -> None:
        """Set the return register."""
        self.read(self.place(label))
        self.do(order=Order.RETURN_TO)

    def point(self, to: int) -> None:
        """Set the pointer."""
        self.read(self.constant(to))
        self.do(pointer=Pointer.TAKE)

    def is_zero(self, cell: int, then: str, otherwise: str | None = None) -> None:
        """Go to ``then`` if a cell is zero, otherwise to ``otherwise`` or on."""
        self.read(cell)
        self.do()
        self.branch(Condition.ZERO, then, otherwise)

    def send(self, source: int, **more: int) -> None:
        self.do(source=source, byte=1, **more)

    def count(self, cell: int, label: str, then: str) -> None:
        """Count four cells up, lowest first."""
        for i in range(4):
            self.read(cell + i)
            self.do(cell=cell + i, write=Write.MORE)
            if i < 3:
                self.read(cell + i)
                self.do()
                self.branch(Condition.ZERO, f"{label}{i + 1}", then)
                self.label(f"{label}{i + 1}")
        self.go(then)

    # -- the program ------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write all of it."""
        self._hunt()
        self._shared()
        self._dispatch()
        self._load()
        self._infer()
        self._end_of_payload()
        self._replies()
        self._answer()

    def _hunt(self) -> None:
        """Two magic bytes, as many more as there are, and a header."""
        self.do()
        self.label("hunt")
        self.branch(Condition.HAVE, "hunt take", "hunt")
        self.label("hunt take")
        self.do(source=Source.INPUT, byte=1)
        self.branch(Condition.MAGIC, "second", "hunt")
        self.label("second")
        self.branch(Condition.HAVE, "second take", "second")
        self.label("second take")
        self.do(source=Source.INPUT, byte=1)
        self.branch(Condition.MAGIC, "more", "hunt")
        self.label("more")
        self.branch(Condition.HAVE, "more look", "more")
        self.label("more look")
        self.do(source=Source.INPUT)
        self.branch(Condition.MAGIC, "more take", "header")
        self.label("more take")
        self.go("more", source=Source.INPUT, byte=1)
        self.label("header")
        self.do(order=Order.BEGIN_INPUT)
        self.set(LEFT, HEADER_BYTES)
        self.set(LEFT + 1, 0)
        self.set(LEFT + 2, 0)
        self.set(PHASE, HEAD)
        self.set(PROBLEM, 0)
        self.point(0)
        self.return_to("store")
        self.go("next")

    def _shared(self) -> None:
        """Loops of several frames: a byte into memory, a byte away; the next byte, and the patience for it."""
        self.label("store")
        self.branch(Condition.HAVE, "store take", "tick")
        self.label("store take")
        self.do(source=Source.INPUT, write=Write.SAME, pointer=Pointer.STEP)
        self.go("next", source=Source.INPUT, byte=1)
        self.label("skip")
        self.branch(Condition.HAVE, "skip take", "tick")
        self.label("skip take")
        self.do(source=Source.INPUT, byte=1)
        self.label("next")
        # One byte fewer is left; then back to the loop, or to what comes after it.
        self.less(LEFT)
        self.branch(Condition.ZERO, "next 1", "patience")
        self.label("next 1")
        self.less(LEFT + 1)
        self.branch(Condition.ZERO, "next 2", "patience")
        self.label("next 2")
        self.less(LEFT + 2)
        self.branch(Condition.ZERO, "ended", "patience")
        self.label("patience")
        for i in range(3):
            self.set(TIMER + i, self.timeout >> 8 * i & 255)
        self.back()
        self.label("tick")
        self.less(TIMER)
        self.branch(Condition.ZERO, "tick 1")
        self.label("return")
        self.back()
        self.label("tick 1")
        self.less(TIMER + 1)
        self.branch(Condition.ZERO, "tick 2", "return")
        self.label("tick 2")
        self.less(TIMER + 2)
        self.branch(Condition.ZERO, "expired", "return")
        self.label("expired")
        # A header that stops is no frame; a payload is one; after it the engine got less than an image.
        self.read(PHASE)
        self.do(cell=TYPE, write=Write.LESS)
        self.branch(Condition.ZERO, "timeout")
        self.read(TYPE)
        self.do(cell=TYPE, write=Write.LESS)
        self.branch(Condition.ZERO, "timeout")
        self.is_zero(TYPE, "refuse silently")
        self.label("wrong length")
        self.set(PROBLEM, LinkError.LENGTH)
        self.go("refuse")
        self.label("timeout")
        self.set(PROBLEM, LinkError.TIMEOUT)
        self.go("refuse")
        self.label("ended")
        self.read(PHASE)
        self.do(cell=TYPE, write=Write.LESS)
        self.branch(Condition.ZERO, "tail")
        self.read(TYPE)
        self.do()
        self.branch(Condition.ZERO, "check", "dispatch")
        self.label("tail")
        self.set(PHASE, TAIL)
        self.set(LEFT, 2)
        self.set(LEFT + 1, 0)
        self.set(LEFT + 2, 0)
        self.return_to("skip")
        self.go("next")

    def _dispatch(self) -> None:
        """Begin what a header wants."""
        self.label("dispatch")
        self.branch(Condition.GOOD, "sound")
        self.label("refuse silently")
        self.count(REFUSED, "refused silently", "hunt")
        self.label("sound")
        for i in range(3):
            self.copy(LENGTH + i, LEFT + i)
        self.do(order=Order.BEGIN_INPUT)
        self.set(PHASE, PAYLOAD)
        self.copy(HEADER, TYPE)
        self.less(TYPE)
        for name in ("load", "infer", "self-test"):
            self.less(TYPE)
            self.branch(Condition.ZERO, name)
        self.label("skip all")
        self.return_to("skip")
        self.go("next")
        self.label("self-test")
        self.set(COUNT, ECHO_BYTES - 1)
        self.point(ECHO)
        self.return_to("prefix")
        self.go("next")

    def _load(self) -> None:
        """Take the prefix into memory, the program into the engine."""
        self.label("load")
        # Also where it was stopped: an end of running begins a new program.
        self.do(order=Order.RUN)
        self.do(order=Order.STOP)
        # Until a byte of the program comes.
        self.set(PROBLEM, LinkError.LENGTH)
        self.set(COUNT, PREFIX_BYTES - 1)
        self.point(PREFIX)
        self.return_to("prefix")
        self.go("next")
        self.label("prefix")
        self.branch(Condition.HAVE, "prefix take", "tick")
        self.label("prefix take")
        self.do(source=Source.INPUT, write=Write.SAME, pointer=Pointer.STEP)
        self.do(source=Source.INPUT, byte=1)
        self.less(COUNT)
        self.branch(Condition.ZERO, "full", "next")
        self.label("full")
        self.read(HEADER)
        self.do(cell=TYPE, write=Write.LESS)
        self.read(TYPE)
        self.do()
        self.branch(Condition.ZERO, "prefix is there")
        # One more byte of a self-test would be too many.
        self.return_to("too long")
        self.go("next")
        self.label("too long")
        self.set(PROBLEM, LinkError.LENGTH)
        self.return_to("skip")
        self.go("skip")
        self.label("prefix is there")
        self.return_to("program")
        self.go("next")
        self.label("program")
        self.branch(Condition.HAVE, "program take", "tick")
        self.label("program take")
        self.do(order=Order.OFFER)
        self.set(PROBLEM, 0)
        self.label("program offered")
        self.branch(Condition.OFFERED, "program offered")
        self.go("next", source=Source.INPUT, byte=1)

    def _infer(self) -> None:
        """Bytes to the engine, answers as they come."""
        self.label("infer")
        self.branch(Condition.RUN, "runs")
        self.set(PROBLEM, LinkError.NO_NETWORK)
        self.go("skip all")
        self.label("runs")
        self.branch(Condition.ERROR, "failed")
        self.return_to("first byte")
        self.go("next")
        self.label("failed")
        # What is left of the frame is dropped; what was offered to the engine too.
        self.do(order=Order.BEGIN_INPUT)
        self.set(PROBLEM, LinkError.ENGINE)
        self.go("skip all")
        # The answer of the image before comes first: the engine may take the next one already.
        self.label("first byte")
        self.branch(Condition.LOGITS, "answer")
        self.branch(Condition.HAVE, "offer")
        self.branch(Condition.ERROR, "broke off", "tick")
        self.label("broke off")
        self.do(order=Order.BEGIN_INPUT)
        self.set(PROBLEM, LinkError.ENGINE)
        self.return_to("skip")
        self.go("skip")
        self.label("offer")
        self.do(order=Order.OFFER)
        self.return_to("offered")
        self.label("offered")
        self.branch(Condition.OFFERED, "not taken")
        # An engine that takes a byte while its logits wait takes the first one of another image.
        self.return_to("taken")
        self.label("taken")
        self.branch(Condition.LOGITS, "answer")
        self.return_to("middle")
        self.go("next", source=Source.INPUT, byte=1)
        self.label("not taken")
        self.branch(Condition.LOGITS, "answer")
        self.branch(Condition.ERROR, "broke off")
        self.branch(Condition.BUSY, "offered", "tick")
        # Nothing is offered to an engine that computes: it may begin to take another image before it answers.
        self.label("middle")
        self.branch(Condition.LOGITS, "answer")
        self.branch(Condition.ERROR, "broke off")
        self.branch(Condition.BUSY, "tick")
        self.branch(Condition.HAVE, "offer")
        self.label("stalls")
        self.count(STALLS, "stalled", "tick")

    def _end_of_payload(self) -> None:
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
        self._length(1 + PREFIX_BYTES + len(self.blob), PREFIX_BYTES + len(self.blob))
        self.point(PREFIX)
        self.go("reply")
        self.label("do counters")
        self._length(1 + COUNTER_BYTES, COUNTER_BYTES)
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

    def _length(self, whole: int, stored: int) -> None:
        """Set a reply's length, and how much of it comes from memory."""
        self.set(REPLY_LENGTH, whole & 255)
        self.set(REPLY_LENGTH + 1, whole >> 8)
        self.set(REPLY_LENGTH + 2, 0)
        self.set(LEFT, stored & 255)
        self.set(LEFT + 1, stored >> 8)

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

    def _replies(self) -> None:
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

    def _answer(self) -> None:
        """Logits and classes, one cluster after another, and clocks."""
        self.label("answer")
        self.set(REPLY_TYPE, Frame.INFER)
        self.set(COUNT, self.clusters - 1)
        self._head("answer head", ANSWER_LENGTH)
        self.label("logits")
        self.branch(Condition.ROOM, "logits room", "logits")
        self.label("logits room")
        self.branch(Condition.LOGITS, "logit")
        self.branch(Condition.ERROR, "cut off", "logits room")
        self.label("logit")
        for i in range(4):
            self.send(Source.LOGIT + i)
        self.branch(Condition.LAST, "last logit")
        self.go("logits", order=Order.TAKE)
        self.label("last logit")
        self.do(order=Order.TAKE)
        self.label("class")
        self.branch(Condition.KLASS, "class there")
        self.branch(Condition.ERROR, "cut off", "class")
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


SHORT = 4
"""Times 256 looks for which an engine that is not busy may still answer."""

PAUSE = 255
"""Looks at a counter while a restarted engine is stopped, and while it is checked whether its program is one."""


def link_program(blob: bytes, *, clusters: int, timeout: int) -> tuple[list[int], list[int], Mapping[str, int]]:
    """Return the microprogram, the first contents of the cells' memory, and the address of every label.

    Parameters
    ----------
    blob : bytes
        Description of the board, the end of the identification.
    clusters : int
        Answers of a reply.
    timeout : int
        Looks for a byte until a frame is given up; a look takes 9 clocks and more.

    Raises
    ------
    ValueError
        If the program or its constants do not fit.
    """
    program = _Program(clusters, timeout, blob)
    program.write()
    words, labels = program.assemble(list(program.places))
    cells = [0] * BLOB
    for value, cell in program.constants.items():
        cells[cell] = value
    for label, cell in program.places.items():
        cells[cell] = labels[label]
    last = max([*program.constants.values(), *program.places.values()])
    if last >= ECHO:
        raise ValueError(f"the microprogram's constants end at cell {last}, {ECHO} is another one's")
    return words, cells + list(blob), labels

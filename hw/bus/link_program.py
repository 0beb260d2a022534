"""The link's microprogram: what it does with every byte."""

from __future__ import annotations

from collections.abc import Mapping

from hw.bus.frame_types import ECHO_BYTES, PREFIX_BYTES, LinkError
from hw.bus.link_cells import (
    BLOB,
    COUNT,
    ECHO,
    HEAD,
    HEADER,
    HEADER_BYTES,
    LEFT,
    LENGTH,
    PAYLOAD,
    PHASE,
    PREFIX,
    PROBLEM,
    REFUSED,
    STALLS,
    TAIL,
    TIMER,
    TYPE,
)
from hw.bus.link_replies import Replies
from hw.bus.microcode import Condition, Order, Pointer, Source, Write


class _Program(Replies):
    def write(self) -> None:
        """Write all of it."""
        self._hunt()
        self._shared()
        self._dispatch()
        self._load()
        self._infer()
        self.write_end_of_payload()
        self.write_replies()
        self.write_answer()

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

"""Streams keep what they offer until it is taken, and lose and invent nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth import Cat, Const, Mux, Signal, Value

from hw.bus.frame_link import FrameLink
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.uart import UartReceiver, UartTransmitter
from hw.graph import Alphabet
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.image_loader import ImageLoader
from hw.systolic.logit_output import LogitOutput
from hw.systolic.stream_register import StreamRegister
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem

COUNT_BITS = 4
"""Items are counted modulo 16, so "the n-th item" is any item."""


def keeps(h: Harness, stream: Any, unless: Value | None = None) -> Value:
    """Return whether a stream's rule was kept in the clock before: what is offered and not taken is still offered."""
    waits = h.past(stream.valid & ~stream.ready & (Const(1) if unless is None else ~unless))
    payload = Value.cast(stream.payload)
    return h.begins | ~waits | (stream.valid & (payload == h.past(payload)))


def source(h: Harness, stream: Any, name: str) -> None:
    """Let the prover offer anything on a component's input stream, by the rule."""
    h.drive(stream.valid, f"{name}_valid")
    h.drive(Value.cast(stream.payload), f"{name}_payload")
    h.assume(keeps(h, stream))


def counted(h: Harness, event: Value, name: str, bits: int = COUNT_BITS) -> Signal:
    """Return how often something has happened before this clock."""
    count = Signal(bits, name=f"{name}_count")
    with h.module.If(event):
        h.module.d.sync += count.eq(count + 1)
    return count


def remembered(h: Harness, event: Value, payload: Value, name: str) -> Signal:
    """Return the payload of the last event."""
    kept = Signal(len(payload), name=f"{name}_kept")
    with h.module.If(event):
        h.module.d.sync += kept.eq(payload)
    return kept


def stream_register_harness(register: Callable[[int], StreamRegister] = StreamRegister) -> Harness:
    """One value is held: the number of those inside is 0 or 1, and the one that leaves is the one that entered."""
    h = Harness()
    h.module.submodules.dut = dut = register(8)
    source(h, dut.i, "i")
    h.drive(dut.o.ready, "o_ready")
    enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    entered, left = counted(h, enters, "entered"), counted(h, leaves, "left")
    n = h.constant(COUNT_BITS, "n")
    nth = remembered(h, enters & (entered == n), dut.i.payload, "nth")
    h.claim("what is offered is kept until it is taken", keeps(h, dut.o))
    h.claim("as many are inside as entered and did not leave", (entered - left)[:COUNT_BITS] == dut.o.valid)
    h.claim("the n-th to leave is the n-th that entered", ~(dut.o.valid & (left == n)) | (dut.o.payload == nth))
    return h


def lane_splitter_harness(splitter: Callable[[], LaneSplitter] = LaneSplitter) -> Harness:
    """Every byte leaves as its low and then its high four bits; a change of ``run`` begins a byte anew."""
    h = Harness()
    dut, signals = inside(splitter_ := splitter())
    h.module.submodules.dut = dut
    source(h, splitter_.i, "i")
    h.drive(splitter_.o.ready, "o_ready")
    run = h.drive(splitter_.run, "run")
    changed = h.past(run) != run
    second = Signal()
    lane = splitter_.o.valid & splitter_.o.ready
    with h.module.If(changed):
        h.module.d.sync += second.eq(0)
    with h.module.Elif(lane):
        h.module.d.sync += second.eq(~second)
    h.claim("what is offered is kept until it is taken, unless run changes", keeps(h, splitter_.o, changed))
    h.claim("a lane is offered when a byte is", splitter_.o.valid == splitter_.i.valid)
    wanted = Mux(second, splitter_.i.payload[4:], splitter_.i.payload[:4])
    h.claim("the first lane of a byte is its low half", ~splitter_.o.valid | (splitter_.o.payload == wanted))
    h.claim("a byte is taken with its second lane", (splitter_.i.valid & splitter_.i.ready) == (lane & second))
    # For the induction.
    h.claim("the splitter knows which lane it is", signals["high"] == second)
    h.claim("the splitter knows run", signals["before"] == h.past(run))
    return h


def uart_harness(
    divisor: int,
    gap: int,
    transmitter: Callable[[int], UartTransmitter] = UartTransmitter,
    receiver: Callable[[int], UartReceiver] = UartReceiver,
) -> Harness:
    """Lead a transmitter's line into a receiver: the n-th byte sent is the n-th received.

    Any bytes are sent, each ``gap`` clocks after the transmitter could take it, from the first clock on; the receiver's
    are taken in any clock that is early enough.
    """
    h = Harness()
    m = h.module
    m.submodules.transmitter = sender = transmitter(divisor)
    m.submodules.receiver = taker = receiver(divisor)
    m.d.comb += taker.rx.eq(sender.tx)
    payload = h.free(8, "i_payload")
    waited = Signal(range(gap + 2))
    m.d.comb += [sender.i.payload.eq(payload), sender.i.valid.eq(h.begins | (waited == gap))]
    with m.If(sender.i.ready & sender.i.valid):
        m.d.sync += waited.eq(0)
    with m.Elif(sender.i.ready):
        m.d.sync += waited.eq(waited + 1)
    h.drive(taker.o.ready, "o_ready")
    sends, takes = sender.i.valid & sender.i.ready, taker.o.valid & taker.o.ready
    sent, taken = counted(h, sends, "sent", 3), counted(h, takes, "taken", 3)
    n = h.constant(3, "n")
    nth = remembered(h, sends & (sent == n), sender.i.payload, "nth")
    # A byte must be taken before the next one's first bit: within a bit and a half here.
    waiting = Signal(range(2 * divisor))
    with m.If(taker.o.valid & ~taker.o.ready):
        m.d.sync += waiting.eq(waiting + 1)
    with m.Else():
        m.d.sync += waiting.eq(0)
    h.assume(waiting < divisor)
    h.claim("a byte is kept until it is taken", keeps(h, taker.o))
    h.claim("no byte is received that was not sent", ~taker.o.valid | (sent != taken))
    h.claim("the n-th byte received is the n-th sent", ~(taker.o.valid & (taken == n)) | (taker.o.payload == nth))
    # Nothing is lost: ten bits, the synchroniser and the patience above after the transfer at the latest.
    age = Signal(8)
    with m.If(sent == taken):
        m.d.sync += age.eq(0)
    with m.Else():
        m.d.sync += age.eq(age + 1)
    with m.If(takes):
        m.d.sync += age.eq(0)
    h.claim("a byte arrives within ten bits and the receiver's delay", age <= 11 * divisor + 4)
    return h


def logit_output_harness(config: EngineConfig, depth: int, output: Callable[..., LogitOutput] = LogitOutput) -> Harness:
    """Compare the n-th logit out with the n-th in; ``last`` is with the last class."""
    h = Harness()
    m = h.module
    m.submodules.dut = dut = output(config, depth)
    h.drive(dut.restart, "restart")
    classes = h.constant(10, "classes")
    h.assume((classes >= 1) & (classes <= depth))
    m.d.comb += dut.classes.eq(classes)
    h.drive(Value.cast(dut.value), "value")
    h.drive(dut.valid, "valid")
    h.drive(dut.logits.ready, "logits_ready")
    h.drive(dut.klass.ready, "klass_ready")
    # What the engine keeps: a restart comes some clocks behind an image's last logit, and a logit where there was room
    # after the one before was counted; with one column a requantiser the room is for one.
    left = Signal(10)
    recent = [h.past(dut.valid, clocks) for clocks in range(1, 5)]
    h.assume(~dut.restart | (left == 0) & ~dut.valid & ~Cat(*recent).any())
    h.assume(~dut.valid | (h.past(dut.room) & ~recent[0] & ~recent[1]))
    with m.If(dut.restart):
        m.d.sync += left.eq(classes)
    with m.Elif(dut.valid & (left != 0)):
        m.d.sync += left.eq(left - 1)
    enters = dut.valid & (left != 0)
    leaves = dut.logits.valid & dut.logits.ready
    entered, gone = counted(h, enters, "entered"), counted(h, leaves, "left")
    n = h.constant(COUNT_BITS, "n")
    nth = remembered(h, enters & (entered == n), Cat(Value.cast(dut.value).as_signed()), "nth")
    last = remembered(h, enters & (entered == n), left == 1, "last")
    value = Value.cast(dut.logits.payload.value)
    h.claim("a logit is kept until it is taken", keeps(h, dut.logits))
    h.claim("a class is kept until it is taken", keeps(h, dut.klass))
    h.claim("no logit leaves that did not enter", ~dut.logits.valid | (entered != gone))
    h.claim("the buffer never holds more than it has room for", (entered - gone)[:COUNT_BITS] <= depth - 1)
    h.claim(
        "the n-th logit to leave is the n-th that entered",
        ~(dut.logits.valid & (gone == n)) | (value[: len(nth)] == nth) & (dut.logits.payload.last == last),
    )
    waiting = Signal(4)
    with m.If((entered != gone) & ~dut.logits.valid):
        m.d.sync += waiting.eq(waiting + 1)
    with m.Else():
        m.d.sync += waiting.eq(0)
    h.claim("a logit that entered is offered within four clocks", waiting <= 4)
    return h


def image_loader_harness(config: EngineConfig, loader: Callable[[EngineConfig], ImageLoader] = ImageLoader) -> Harness:
    """Compare a program's words with the lanes that were taken: all are there, in their order, and no others."""
    h = Harness()
    m = h.module
    m.submodules.dut = dut = loader(config)
    m.d.comb += dut.raw.eq(1)
    source(h, dut.image, "image")
    takes = dut.image.valid & dut.image.ready
    taken = counted(h, takes, "taken")
    words = counted(h, dut.write_enable, "words")
    history = [dut.image.payload]
    for lane in range(config.rows):
        history.append(remembered(h, takes, history[-1], f"lane{lane}"))
    # Where it counts in a clock of its own, every second clock.
    h.claim("a program is always taken", dut.image.ready | (h.past(takes) & config.shares_word))
    whole = h.past(takes & (taken % config.rows == config.rows - 1), 1 + config.shares_word)
    h.claim("a word is written when all its lanes are there, and only then", dut.write_enable == whole)
    wanted = Cat(*history[:0:-1])
    if config.shares_word:
        # The data come a clock behind, when the next lane may have been taken already.
        claimed = ~h.past(dut.write_enable) | (dut.write_data == h.past(wanted))
    else:
        claimed = ~dut.write_enable | (dut.write_data == wanted)
    h.claim("it has the last lanes, the oldest lowest", claimed)
    h.claim("words lie one behind another", ~dut.write_enable | (dut.write_address[:COUNT_BITS] == words))
    return h


def frame_link_harness(link: Callable[..., FrameLink] = FrameLink) -> Harness:
    """Show that bytes for the engine are the host's, offered when they are there, and taken when the engine has them.

    The engine is one that keeps its streams' rules, and whose error code and clocks do not change.
    """
    h = Harness()
    m = h.module
    m.submodules.dut = dut = link(timeout=256)
    source(h, dut.i, "i")
    source(h, dut.logits, "logits")
    source(h, dut.klass, "klass")
    h.drive(dut.o.ready, "o_ready")
    h.drive(dut.image.ready, "image_ready")
    h.drive(dut.busy, "busy")
    m.d.comb += [dut.error.eq(h.constant(3, "error")), dut.cycles.eq(h.constant(32, "cycles"))]
    h.claim("a byte for the engine is the host's", ~dut.image.valid | (dut.image.payload == dut.i.payload))
    h.claim("what the engine is offered is there", ~dut.image.valid | dut.i.valid)
    h.claim("a byte for the engine is kept until it is taken", keeps(h, dut.image))
    h.claim("a byte that the engine was not given yet is not taken from the host", ~dut.image.valid | ~dut.i.ready)
    h.claim("a byte taken was there", ~dut.i.ready | dut.i.valid)
    h.claim("a logit taken was there", ~dut.logits.ready | dut.logits.valid | dut.klass.valid)
    h.claim("no byte is sent while one is taken", ~dut.o.valid | ~dut.i.ready)
    return h


def logits_config(*, registered: bool) -> EngineConfig:
    """Return a small engine for the proof of its logits."""
    return EngineConfig(
        rows=4, cols=1, activation_bits=8, alphabet=Alphabet.s3(2), acc_width=8, scaled_width=4, output_shift=2,
        max_scale_shift=0, min_residual_shift=0, max_residual_shift=0, columns_per_requantizer=1, psum_depth=16,
        constant_depth=1, memory_words=64, memory=MemoryKind.BLOCK, registered_ram=registered, argmax=False,
        tile_cols=1,
    )  # fmt: skip


def uart_theorem(gap: int) -> Theorem:
    """Return the theorem for bytes that come ``gap`` clocks apart."""
    name = f"a UART receives the bytes that a UART sends {gap} clocks apart"
    return Theorem(name, lambda: uart_harness(4, gap), Mode.BOUNDED, 92 + gap)


THEOREMS = {
    "stream register": Theorem(
        "a stream register keeps its stream's rule and every value", stream_register_harness, Mode.INDUCTION, 3
    ),
    "lane splitter": Theorem(
        "the lane splitter keeps its stream's rule and every lane", lane_splitter_harness, Mode.INDUCTION, 3
    ),
    "program loader": Theorem(
        "a program is stored as it was sent",
        lambda: image_loader_harness(logits_config(registered=True)),
        Mode.BOUNDED,
        10,
    ),
    "program loader, data behind the address": Theorem(
        "a program is stored as it was sent, with its data a clock behind the address",
        lambda: image_loader_harness(logits_config(registered=False)),
        Mode.BOUNDED,
        10,
    ),
    "frame link": Theorem("the link hands on the host's bytes, each until it is taken", frame_link_harness,
                          Mode.BOUNDED, 24),
    "logits": Theorem(
        "logits leave in the order in which they came, each once",
        lambda: logit_output_harness(logits_config(registered=False), 4),
        Mode.BOUNDED,
        12,
    ),
    "logits, registered": Theorem(
        "logits leave in the order in which they came, each once, with a register behind the buffer",
        lambda: logit_output_harness(logits_config(registered=True), 4),
        Mode.BOUNDED,
        12,
    ),
    **{f"UART, gap {gap}": uart_theorem(gap) for gap in (0, 1, 2, 3, 7)},
}  # fmt: skip
"""Of every stream."""

QUICK = (
    "stream register", "lane splitter", "program loader", "program loader, data behind the address", "logits",
    "UART, gap 0",
)  # fmt: skip
"""Those that take a few seconds each."""

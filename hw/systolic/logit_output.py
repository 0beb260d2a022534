"""Logits and class out of the engine, as streams."""

from __future__ import annotations

from amaranth import Cat, Module, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic.argmax import Argmax
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delayed

LOGIT_BITS = 32
"""Of a logit outside of the engine."""

LOGIT = data.StructLayout({"value": signed(LOGIT_BITS), "last": 1})
"""A logit; ``last`` marks the last class of an image."""

DEPTH = 64
"""Logits that fit the engine's buffer."""

LATE = 3
"""Clocks from the end of an inference (``busy`` low) to its last logit on the stream, at most."""

NO_CLASS = 0xFFFF
"""The class of an engine without ``argmax``: it is left to the host."""


def buffer_layout(config: EngineConfig) -> data.StructLayout:
    """Return the layout of a buffered logit: as many bits as the engine's numbers have, 32 at most, and ``last``."""
    return data.StructLayout({"value": signed(min(config.scaled_width, LOGIT_BITS)), "last": 1})


class LogitOutput(wiring.Component):
    """Buffers the logits, counts them, and finds the class.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    depth : int
        Logits that fit the buffer; a power of two.

    Ports
    -----
    restart : in: an inference begins
    classes : 10 bits, in: logits of an image; what comes after them is padding and dropped
    value : signed(scaled_width), in; valid : in
    room : out: a column tile's worth of logits can be taken, and the last class was fetched
    logits : stream of :data:`LOGIT`, out
    klass : stream of unsigned(16), out: index of the largest logit, the lowest one wins ties
    """

    def __init__(self, config: EngineConfig, depth: int = DEPTH) -> None:
        self.config = config
        self.depth = depth
        super().__init__(
            {
                "restart": In(1),
                "classes": In(10),
                "value": In(signed(config.scaled_width)),
                "valid": In(1),
                "room": Out(1),
                "logits": Out(stream.Signature(LOGIT)),
                "klass": Out(stream.Signature(16)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(10)
        some = Signal()
        finished = Signal()
        take = Signal()
        token = Signal(LOGIT)
        klass_valid = Signal()
        m.d.comb += [
            take.eq(self.valid & some),
            token.value.eq(self.value),
            token.last.eq(left == 1),
            self.klass.valid.eq(klass_valid),
            self.klass.payload.eq(self._argmax(m, take) if self.config.argmax else NO_CLASS),
        ]
        level = self._buffer(m, token, take)
        # A clock late, which does not matter: tiles of logits are further apart than that.
        room = Signal(reset_less=True)
        m.d.comb += self.room.eq(room)
        m.d.sync += room.eq((level < self.depth - self.config.columns_per_requantizer) & ~klass_valid)
        m.d.sync += finished.eq(take & (left == 1))
        with m.If(take):
            m.d.sync += [left.eq(left - 1), some.eq(left != 1)]
        with m.If(self.restart):
            m.d.sync += [left.eq(self.classes), some.eq(self.classes != 0)]
        with m.If(self.klass.ready):
            m.d.sync += klass_valid.eq(0)
        # When the largest logit's index is there.
        late = int(self.config.registered_ram)
        with m.If(delayed(m, finished, late, "finished", reset_less=False)):
            m.d.sync += klass_valid.eq(1)
        return m

    def _argmax(self, m: Module, take: Signal) -> Value:
        m.submodules.argmax = argmax = Argmax(self.config.scaled_width, registered=self.config.registered_ram)
        fresh = Signal()
        with m.If(take):
            m.d.sync += fresh.eq(0)
        with m.If(self.restart):
            m.d.sync += fresh.eq(1)
        m.d.comb += [
            argmax.value.eq(self.value),
            argmax.valid.eq(take),
            argmax.restart.eq(self.restart),
            argmax.first.eq(fresh),
        ]
        return argmax.index

    def _buffer(self, m: Module, token: Signal, take: Signal) -> Value:
        """Put logits into a ring in block RAM and bring them out one by one; return how many are in it."""
        # No wider than a logit is: 33 bits would take a third block RAM of an iCE40.
        layout = buffer_layout(self.config)
        memory = Memory(shape=layout.size, depth=self.depth, init=[], attrs=NO_COLLISION)
        m.submodules.buffer = memory
        write, read = memory.write_port(), memory.read_port()
        # The read side sees a write a clock late, when the memory holds it.
        into, written, taken = Signal(range(self.depth)), Signal(range(self.depth)), Signal(range(self.depth))
        reading, full = Signal(), Signal()
        out = layout(read.data)
        if self.config.registered_ram:
            # Block RAM answers late in a clock: nothing but this register is behind it.
            out = Signal(layout, reset_less=True)
            with m.If(reading):
                m.d.sync += out.eq(read.data)
        m.d.sync += written.eq(into)
        m.d.comb += [
            write.addr.eq(into),
            write.data.eq(Cat(token.value[: len(out.value)], token.last)),
            write.en.eq(take),
            read.addr.eq(taken),
            self.logits.valid.eq(full),
            self.logits.payload.value.eq(out.value),
            self.logits.payload.last.eq(out.last),
        ]
        with m.If(take):
            m.d.sync += into.eq(into + 1)
        m.d.sync += reading.eq(~full & (written != taken))
        with m.If(reading):
            m.d.sync += full.eq(1)
        with m.If(full & self.logits.ready):
            m.d.sync += [full.eq(0), taken.eq(taken + 1)]
        return (into - taken)[: len(into)]

"""Logits and class out of the engine, as streams."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hw.systolic.argmax import Argmax
from hw.systolic.config import EngineConfig

LOGIT = data.StructLayout({"value": signed(32), "last": 1})
"""A logit; ``last`` marks the last class of an image."""

FIFO_DEPTH = 64


class LogitOutput(wiring.Component):
    """Buffers the logits, counts them, and finds the class.

    Ports
    -----
    restart : in: an inference begins
    classes : 10 bits, in: logits of an image; what comes after them is padding and dropped
    value : signed(scaled_width), in; valid : in
    room : out: a column tile's worth of logits can be taken, and the last class was fetched
    empty : out: everything was fetched
    logits : stream of :data:`LOGIT`, out
    klass : stream of unsigned(16), out: index of the largest logit, the lowest one wins ties
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
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
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=LOGIT.size, depth=FIFO_DEPTH)
        m.submodules.argmax = argmax = Argmax()
        left = Signal(10)
        fresh = Signal()
        finished = Signal()
        take = Signal()
        token = Signal(LOGIT)
        klass_valid = Signal()
        # Block RAM answers late in a clock: nothing but this register is behind it.
        out = Signal(LOGIT.size, reset_less=True)
        out_valid = Signal()
        with m.If(fifo.r_en):
            m.d.sync += [out.eq(fifo.r_data), out_valid.eq(fifo.r_rdy)]
        m.d.comb += [
            take.eq(self.valid & (left != 0)),
            token.value.eq(self.value),
            token.last.eq(left == 1),
            fifo.w_data.eq(token),
            fifo.w_en.eq(take),
            argmax.value.eq(self.value),
            argmax.valid.eq(take),
            argmax.first.eq(fresh),
            self.logits.valid.eq(out_valid),
            self.logits.payload.as_value().eq(out),
            fifo.r_en.eq(~out_valid | self.logits.ready),
            self.klass.valid.eq(klass_valid),
            self.klass.payload.eq(argmax.index),
        ]
        # A clock late, which does not matter: tiles of logits are further apart than that.
        room = Signal()
        m.d.comb += self.room.eq(room)
        m.d.sync += room.eq((fifo.level <= FIFO_DEPTH - self.config.groups_per_requantizer) & ~klass_valid)
        m.d.sync += finished.eq(take & (left == 1))
        with m.If(take):
            m.d.sync += [left.eq(left - 1), fresh.eq(0)]
        with m.If(self.restart):
            m.d.sync += [left.eq(self.classes), fresh.eq(1)]
        with m.If(self.klass.ready):
            m.d.sync += klass_valid.eq(0)
        with m.If(finished):
            m.d.sync += klass_valid.eq(1)
        return m

"""Partial sums of the columns of a tile, in block RAM."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line
from hw.systolic.widths import sum_width

SLOT = data.StructLayout({"valid": 1, "start": 1, "first": 1, "shift": 1})
"""A slot's tag: ``valid``, ``start`` of a pass (output pixel 0),
``first`` pass (the sum starts at zero), ``shift``: the sum so
far is multiplied by ``2^activation_bits`` (an engine with ``image_planes`` 2)."""


def psum_addresses(config: EngineConfig) -> data.StructLayout:
    """Layout of the addresses of partial sums that are read and written in a clock."""
    bits = (config.psum_depth - 1).bit_length()
    return data.StructLayout({"read": bits, "write": bits})


class Accumulator(wiring.Component):
    """Adds a column group's sums to the partial sums of the same output pixel.

    ::

        slot ─► read counter ─► RAM ─► + ─► psums     in the first pass: sums ─► psums
                                 ▲     ▲      │
                                 └─────┼──────┘ write counter
                                      sums

    An iCE40's adder has an input left in its tables, which lets the sums through in the first pass. A register before
    it is there on an ECP5, whose block RAM has it, and where two image planes are joined; the first pass clears it.

    Output pixels are counted, not addressed: slots of a pass come in order, so a tag of three bits is all
    that travels. Column groups behind the first one count nothing: the addresses go from group to group, a clock each.

    Parameters
    ----------
    config : EngineConfig
        Widths and depth.
    follows : bool
        The addresses come from the group before.

    Ports
    -----
    addresses_i, addresses_o : :func:`psum_addresses`, in (with ``follows``) and out
        The addresses of the group before, which are this one's a clock later, and this one's own.
    slot : :data:`SLOT`, in, at clock 0
    sums : ``tile_cols`` signed column sums, in, at clock ``timing.psum_read``
    psums : ``tile_cols`` signed(acc_width), out, a clock later, and of several columns until the next slot's

    Latency
    -------
    One clock from ``sums`` to ``psums``. Slots of one output pixel must be ``timing.psum_loop`` clocks apart.
    """

    def __init__(self, config: EngineConfig, *, follows: bool = False) -> None:
        self.config = config
        self.follows = follows
        width = sum_width(config.activation_bits, config.alphabet, config.rows)
        ports = {
            "slot": In(SLOT),
            "sums": In(signed(width)).array(config.tile_cols),
            "psums": Out(signed(config.acc_width)).array(config.tile_cols),
            "addresses_o": Out(psum_addresses(config)),
        }
        if follows:
            ports["addresses_i"] = In(psum_addresses(config))
        super().__init__(ports)

    def model(self, sums: np.ndarray, shift: int | None = None) -> np.ndarray:
        """Return the last pass's ``psums`` for int64 ``sums`` (passes, pixels, tile_cols).

        ``shift`` is the pass whose slots have that flag.
        """
        sums = np.asarray(sums, np.int64)
        if shift is None:
            return np.asarray(sums.sum(axis=0))
        return np.asarray((sums[:shift].sum(axis=0) << self.config.activation_bits) + sums[shift:].sum(axis=0))

    def cycles(self) -> int:
        """Return the latency from ``sums`` to ``psums`` in clocks."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width = config.acc_width
        m.submodules.memory = memory = Memory(
            shape=width * config.tile_cols, depth=config.psum_depth, init=[], attrs=NO_COLLISION
        )
        read = memory.read_port()
        write = memory.write_port()
        now = timing.psum_read(config)
        valid = delay_line(m, self.slot.valid, now + 1, "valid")
        first = delay_line(m, self.slot.first, now, "first")
        shift = delay_line(m, self.slot.shift, 2, "shift")
        if self.follows:
            m.d.sync += [read.addr.eq(self.addresses_i.read), write.addr.eq(self.addresses_i.write)]
        else:
            start = delay_line(m, self.slot.start, now, "start")
            with m.If(valid[0]):
                m.d.sync += read.addr.eq(Mux(start[0], 0, read.addr + 1))
            with m.If(valid[now]):
                m.d.sync += write.addr.eq(Mux(start[now], 0, write.addr + 1))
        m.d.comb += [self.addresses_o.read.eq(read.addr), self.addresses_o.write.eq(write.addr)]
        for h in range(config.tile_cols):
            psum = Signal(signed(width), name=f"psum{h}", reset_less=True)
            sums = self.sums[h]
            stored = read.data.word_select(h, width).as_signed()
            if config.image_planes == 2:
                stored = Mux(shift[2], stored << config.activation_bits, stored)
            if now == 2:
                total = Mux(first[2], sums, stored + sums)
            else:
                before = Signal(signed(width), name=f"before{h}", reset_less=True)
                # A block RAM's own register has no reset.
                m.d.sync += before.eq(stored if config.registered_ram else Mux(first[2], 0, stored))
                total = (Mux(first[3], 0, before) if config.registered_ram else before) + sums
            # Requantisers take the columns of a tile one after another, so several are kept until the next slot.
            with m.If(valid[now] if config.tile_cols > 1 else Const(1)):
                m.d.sync += psum.eq(total)
            m.d.comb += self.psums[h].eq(psum)
        m.d.comb += [write.data.eq(Cat(*(self.psums[h] for h in range(config.tile_cols)))), write.en.eq(valid[now + 1])]
        return m

"""Norms of the four phases of a map, taken while the map is written, and which is the largest."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line


class PhaseNorms(wiring.Component):
    """Adds up the stored numbers of each phase ``i + 2j`` of a map: ``i``, ``j`` are a pixel's row and column modulo 2.

    A memory of four sums is read, added to and written in three clocks. That is enough, since results are two clocks
    apart or more, and two of one phase four.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    measured : in; the layer's results are measured
    begins : in; a layer begins, in the clock before its first instruction behind ``RESULT``
    ends : in; the layer before is stored, and another one begins
    tile_begins : in; the next result is the first pixel of an even row
    cols : in; pixels of a row, even
    valid, lanes : in; a word of results, ``cols`` lanes of ``activation_bits``
    phase : 2 bits, out
        The phase with the largest sum of the last measured layer, the lowest one of equal ones.

    Latency
    -------
    ``phase`` is right seven clocks after ``ends`` with up to eight columns, one later for each doubling. ``ends`` comes
    two clocks after the last result, or later.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "measured": In(1),
                "begins": In(1),
                "ends": In(1),
                "tile_begins": In(1),
                "cols": In(config.coordinate_bits),
                "valid": In(1),
                "lanes": In(config.activation_bits).array(config.cols),
                "phase": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self.config.norm_bits

        # Lanes are joined in pairs, a register behind every pair.
        sums: list[Value] = [self.lanes[c] for c in range(self.config.cols)]
        levels = 0
        while len(sums) > 1:
            pairs = [sums[i] + sums[i + 1] if i + 1 < len(sums) else sums[i] for i in range(0, len(sums), 2)]
            registers = [Signal(len(pair), name=f"sum{levels}_{i}", reset_less=True) for i, pair in enumerate(pairs)]
            m.d.sync += [register.eq(pair) for register, pair in zip(registers, pairs, strict=True)]
            sums, levels = list(registers), levels + 1
        arrives = delay_line(m, self.valid & self.measured, levels, "arrives", reset_less=False)[levels]

        # Which pixel it is.
        left = Signal(self.config.coordinate_bits, reset_less=True)
        row = Signal(reset_less=True)
        column = Signal(reset_less=True)
        with m.If(arrives):
            m.d.sync += [left.eq(left - 1), column.eq(~column)]
            with m.If(left == 1):
                m.d.sync += [left.eq(self.cols), row.eq(~row)]
        # Behind the last results of the tile before.
        with m.If(delay_line(m, self.tile_begins, levels + 1, "tile_begins", reset_less=False)[-1]):
            m.d.sync += [left.eq(self.cols), row.eq(0), column.eq(0)]

        # Walks over the four norms: to clear them, or to find the largest.
        # Behind the last result, which is one of the last phase, whose norm is read last.
        late = max(1, levels - 2)
        clears_next = delay_line(m, self.begins & self.measured, 2, "begins", reset_less=False)[2]
        finds = delay_line(m, self.ends & self.measured, late, "ends", reset_less=False)[late]
        walk = Signal(2)
        walking = Signal()
        clearing = Signal()
        with m.If(walking):
            m.d.sync += [walk.eq(walk + 1), walking.eq(walk != 3)]
        with m.If(clears_next | finds):
            m.d.sync += [walk.eq(0), walking.eq(1), clearing.eq(clears_next)]

        memory = Memory(shape=unsigned(bits), depth=4, init=[], attrs=NO_COLLISION)
        m.submodules.norms = memory
        read, write = memory.read_port(), memory.write_port()
        address = Mux(walking, walk, Cat(row, column))
        place = delay_line(m, address, 2, "place")
        adding = delay_line(m, arrives | (walking & clearing), 2, "adding", reset_less=False)
        clears = delay_line(m, walking & clearing, 1, "clears")[1]
        addend = Signal(len(sums[0]), reset_less=True)
        total = Signal(bits, reset_less=True)
        m.d.comb += [read.addr.eq(address), write.addr.eq(place[2]), write.data.eq(total), write.en.eq(adding[2])]
        m.d.sync += [addend.eq(sums[0]), total.eq(Mux(clears, 0, read.data + addend))]

        # One norm a clock, behind the walk. Without a reset, whose enable would lengthen the slowest path of the UP5K.
        best = Signal(bits, reset_less=True)
        phase = Signal(2, name="phase_register", reset_less=True)
        m.d.comb += self.phase.eq(phase)
        compared = delay_line(m, walking & ~clearing, 1, "compared")[1]
        with m.If(compared & ((place[1] == 0) | (read.data > best))):
            m.d.sync += [best.eq(read.data), phase.eq(place[1])]
        return m

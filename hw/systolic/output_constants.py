"""Constants of the requantisers: bias, scale and factor of every channel."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.control import unit_constants
from hw.systolic.delay import delay_line, delayed
from hw.systolic.program import constant_layout


class OutputConstants(wiring.Component):
    """Memories of the output constants, one bank for all requantisers that begin in the same clock.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    last : in; a slot whose sums are complete was issued in this clock (clock 0)
    tile : 10 bits, in
        Index of the column tile, which selects the constants. Stable while results are under way.
    restart : in; valid, constant : in
        Writes the next entry, requantiser by requantiser (``restart`` first).
    units : :func:`~hw.systolic.control.unit_constants` of every requantiser, out
        ``factor`` a clock, ``addend`` and ``scale_shift`` two clocks after the sum of the column is there, the
        ``late_addend_bits`` lowest bits of ``addend`` three.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "last": In(1),
                "tile": In(10),
                "restart": In(1),
                "valid": In(1),
                "constant": In(constant_layout(config)),
                "units": Out(data.ArrayLayout(unit_constants(config), config.requantizers)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        share = config.columns_per_requantizer
        psum = timing.psum(config)
        # Where wires are short, equal to the line of the output stage, resets too, so that only one of them is made.
        last = delay_line(m, self.last, psum + config.groups + share, "last", reset_less=config.registered_ram)

        # Where the next constant goes: requantiser fastest, then phase, then tile. Where wires are long, it is
        # written a clock later.
        turn = Signal(config.requantizers, init=1)
        entry = Signal(range(max(2, config.constant_depth * share)))
        late = int(config.registered_ram)
        constant = delayed(m, self.constant.as_value(), late, "constant")
        place = delayed(m, entry, late, "entry")
        with m.If(self.restart):
            m.d.sync += [turn.eq(1), entry.eq(0)]
        with m.Elif(self.valid):
            m.d.sync += turn.eq(turn.rotate_left(1))
            with m.If(turn[-1]):
                m.d.sync += entry.eq(entry + 1)

        banks: dict[int, list[int]] = {}
        for unit in range(config.requantizers):
            banks.setdefault(unit * share // config.tile_cols, []).append(unit)
        ready = 2 if config.registered_ram else 1
        factor, late_bits = constant_layout(config)["factor"].offset, config.late_addend_bits
        parts = [("factors", constant[factor:], 1), ("addends", constant[late_bits:factor], 2)]
        if late_bits:
            parts.append(("late_addends", constant[:late_bits], 3))
        for group, units in banks.items():
            phase = phases(m, group, [psum + group + i for i in range(share)], last, 3 - ready)
            enable = delayed(m, Cat(self.valid & turn[unit] for unit in units), late, f"enable{group}")
            read = [
                self._bank(m, name, group, part, Cat(phase[clock - ready], self.tile), place, enable)
                for name, part, clock in parts
            ]
            for i, unit in enumerate(units):
                m.d.comb += self.units[unit].as_value().eq(Cat(*(bank[i] for bank in reversed(read))))
        return m

    def _bank(
        self, m: Module, kind: str, group: int, part: Value, address: Value, entry: Value, enable: Value
    ) -> list[Value]:
        """Make the memory of one part of the constants of a bank; return every requantiser's."""
        config = self.config
        width = len(part)
        depth = config.constant_depth * config.columns_per_requantizer
        memory = Memory(shape=unsigned(width * len(enable)), depth=depth, init=[], attrs=NO_COLLISION)
        m.submodules[f"{kind}{group}"] = memory
        write, read = memory.write_port(granularity=width), memory.read_port()
        m.d.comb += [
            write.addr.eq(entry),
            write.data.eq(part.replicate(len(enable))),
            write.en.eq(enable),
            read.addr.eq(address),
        ]
        data = read.data
        if config.registered_ram:
            data = Signal.like(read.data, name=f"{kind}_register{group}", reset_less=True)
            m.d.sync += data.eq(read.data)
        return [data.word_select(i, width) for i in range(len(enable))]


def phases(m: Module, group: int, clocks: list[int], last: list[Value], latest: int = 1) -> dict[int, Value]:
    """Return which of its columns a requantiser of a column group has at its clock ``n``, for n = -1 .. latest.

    ``clocks`` are those in which the sums of its columns are taken, ``last[n]`` is high ``n`` clocks after a slot.
    """
    if len(clocks) == 1:
        return dict.fromkeys(range(-1, latest + 1), Const(0, 0))
    now = Signal(range(len(clocks)), name=f"phase{group}")
    for i, clock in enumerate(clocks):
        with m.If(last[clock - 1]):
            m.d.comb += now.eq(i)
    line = delay_line(m, now, latest + 1, f"phase{group}")
    return {n: line[n + 1] for n in range(-1, latest + 1)}

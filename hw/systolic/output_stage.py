"""From partial sums to memory words: requantisers, their constants, and the words' assembly."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line, delayed
from hw.systolic.program import ResidualMode, constant_layout
from hw.systolic.requantizer import Requantizer


class OutputStage(wiring.Component):
    """``requantizers`` requantisers, each serving ``columns_per_requantizer`` neighbouring columns in turn.

    The accumulators keep their sums until the next slot, so a requantiser that serves ``k`` columns needs no buffer,
    only slots that are ``k`` clocks apart. Requantisers that begin in the same clock share one memory of constants.
    Early results wait in a delay line until the last one is there.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    psums : ``cols`` signed(acc_width), in
    last : in
        A slot whose sums are complete was issued in this clock (clock 0).
    pending : out
        Such a slot of an earlier clock has not been stored yet.
    tile : 10 bits, in
        Index of the column tile, which selects the constants. Stable while results are under way.
    lane_set, residual_mode, residual_shift, maximum, logits : in, constant during a layer
    residual_due : out
        The residual word of a slot is to be read in this clock.
    fetched : ``word_bits``, in; residual_valid : in
        The memory's fetch register; it holds a residual word in this clock.
    constant_valid, constant : in
        Writes the next entry of the constant memories, requantiser by requantiser (``constant_restart`` first).
    results : ``cols`` lanes of ``activation_bits``, out
        A finished word (or its part), in clock ``timing.write``, with ``results_valid``.
    logit, logit_valid : out
        ``T`` of requantiser 0, when the layer makes logits.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "psums": In(signed(config.acc_width)).array(config.cols),
                "last": In(1),
                "pending": Out(1),
                "tile": In(10),
                "lane_set": In(2),
                "residual_mode": In(ResidualMode),
                "residual_shift": In(5),
                "maximum": In(config.activation_bits),
                "logits": In(1),
                "fetched": In(config.word_bits),
                "residual_due": Out(1),
                "residual_valid": In(1),
                "constant_restart": In(1),
                "constant_valid": In(1),
                "constant": In(constant_layout(config)),
                "results": Out(config.activation_bits).array(config.cols),
                "results_valid": Out(1),
                "logit": Out(signed(config.scaled_width)),
                "logit_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        share = config.columns_per_requantizer
        psum = timing.psum(config)

        # last[n] is high n clocks after the slot was issued.
        last = delay_line(m, self.last, timing.write(config), "last", reset_less=False)
        m.d.sync += self.pending.eq(Cat(*last[:-1]).any())
        with m.If(self.residual_mode == ResidualMode.ADD):
            m.d.comb += self.residual_due.eq(last[timing.residual_read(config)])
        if config.max_pool:
            with m.If(self.residual_mode == ResidualMode.MAXIMUM):
                m.d.comb += self.residual_due.eq(last[timing.maximum_read(config)])

        # Where the next constant goes: requantiser fastest, then phase, then tile.
        counter = Signal(range(config.requantizers))
        entry = Signal(range(max(2, config.constant_depth * share)))
        with m.If(self.constant_restart):
            m.d.sync += [counter.eq(0), entry.eq(0)]
        with m.Elif(self.constant_valid):
            m.d.sync += counter.eq(counter + 1)
            with m.If(counter == config.requantizers - 1):
                m.d.sync += [counter.eq(0), entry.eq(entry + 1)]

        banks: dict[int, list[int]] = {}
        for unit in range(config.requantizers):
            banks.setdefault(unit * share // config.tile_cols, []).append(unit)
        for group, units in banks.items():
            phase = self._phases(m, group, [psum + group + i for i in range(share)], last)
            enable = Cat(*(self.constant_valid & (counter == unit) for unit in units))
            layout = self.constant.shape()
            ready = 2 if config.registered_ram else 1
            factors, addends = (
                self._constants(m, name, group, part, Cat(phase[clock - ready], self.tile), entry, enable)
                for name, part, clock in (
                    ("factors", self.constant.factor.as_value(), 1),
                    ("addends", self.constant.as_value()[: layout["factor"].offset], 2),
                )
            )
            for i, unit in enumerate(units):
                requantizer = Requantizer(config)
                m.submodules[f"requantizer{unit}"] = requantizer
                residual = self._residual(m, unit, group)
                m.d.comb += [
                    requantizer.acc.eq(_select(phase[0], [self.psums[unit * share + n] for n in range(share)])),
                    requantizer.factor.as_value().eq(factors[i]),
                    Cat(requantizer.addend, requantizer.scale_shift).eq(addends[i]),
                    requantizer.residual_shift.eq(self.residual_shift),
                    requantizer.maximum.eq(self.maximum),
                ]
                if config.max_pool:
                    with m.If(self.residual_mode == ResidualMode.MAXIMUM):
                        m.d.comb += requantizer.other.eq(residual)
                    with m.Else():
                        m.d.comb += requantizer.residual.eq(residual)
                else:
                    m.d.comb += requantizer.residual.eq(residual)
                if unit == 0:
                    m.d.comb += self.logit.eq(requantizer.total)
                late = config.result_skew - group
                waiting = delay_line(m, requantizer.result, late, f"result{unit}")
                for n in range(share):
                    m.d.comb += self.results[unit * share + n].eq(waiting[late - n])
        arrived = Cat(*(last[psum + 4 + n] for n in range(share))).any()
        m.d.comb += [
            self.logit_valid.eq(arrived & self.logits),
            self.results_valid.eq(last[timing.write(config)] & ~self.logits),
        ]
        return m

    def _constants(
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

    def _phases(self, m: Module, group: int, clocks: list[int], last: list[Value]) -> dict[int, Value]:
        """Return which of its columns a requantiser has at its clock ``n``, for n = -1 .. 1."""
        if len(clocks) == 1:
            return dict.fromkeys(range(-1, 2), Const(0, 0))
        now = Signal(range(len(clocks)), name=f"phase{group}")
        for i, clock in enumerate(clocks):
            with m.If(last[clock - 1]):
                m.d.comb += now.eq(i)
        line = delay_line(m, now, 2, f"phase{group}")
        return {n: line[n + 1] for n in range(-1, 2)}

    def _residual(self, m: Module, unit: int, group: int) -> Value:
        """Return the residual operand of the column whose turn it is.

        The fetched word is in ``fetched`` while ``residual_valid`` is high; the requantiser's lanes then shift out one
        a clock, and zeros behind them.
        """
        config = self.config
        a, share = config.activation_bits, config.columns_per_requantizer
        chosen = Signal(share * a, name=f"residual_part{unit}")
        with m.Switch(self.lane_set):
            for i in range(config.lane_sets):
                with m.Case(i):
                    at = (i * config.cols + unit * share) * a
                    m.d.comb += chosen.eq(self.fetched[at : at + share * a])
        # 0 where no residual word was read.
        part = delayed(m, chosen & self.residual_valid.replicate(share * a), group, f"residual_part{unit}")
        if share == 1:
            return part
        valid = delayed(m, self.residual_valid, group, f"residual_valid{unit}", reset_less=False)
        queue = Signal((share - 1) * a, name=f"residual_queue{unit}", reset_less=True)
        m.d.sync += queue.eq(Mux(valid, part, queue)[a:])
        return Mux(valid, part[:a], queue[:a])


def _select(phase: Value, values: list[Value]) -> Value:
    """Return ``values[phase]`` as a tree of two-way selections."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    bit = phase[half.bit_length() - 1]
    return Mux(bit, _select(phase, values[half:]), _select(phase, values[:half]))

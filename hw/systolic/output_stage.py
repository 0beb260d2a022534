"""From partial sums to memory words: requantisers, and the words' assembly."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.control import unit_constants
from hw.systolic.delay import delay_line, delayed
from hw.systolic.output_constants import phases
from hw.systolic.program import ResidualMode
from hw.systolic.requantizer import Requantizer


class OutputStage(wiring.Component):
    """``requantizers`` requantisers, each serving ``columns_per_requantizer`` neighbouring columns in turn.

    The accumulators keep their sums until the next slot, so a requantiser that serves ``k`` columns needs no buffer,
    only slots that are ``k`` clocks apart. Early results wait in a delay line until the last one is there.

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
    lane_set, residual_mode, residual_shift, maximum, logits : in, constant during a layer
    table : in, constant during a layer; the results of requantiser 0 are looked up in the table
    table_restart, table_valid, table_entry : in
        Writes the table's next entry (``table_restart`` first), while no results are under way.
    residual_due : out
        The residual word of a slot is to be read in this clock.
    fetched : ``word_bits``, in; residual_valid : in
        The memory's fetch register; it holds a residual word in this clock.
    constants : of every requantiser, in, see :class:`~hw.systolic.output_constants.OutputConstants`
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
                "lane_set": In(2),
                "residual_mode": In(ResidualMode),
                "residual_shift": In(5),
                "maximum": In(config.activation_bits),
                "logits": In(1),
                "table": In(1),
                "table_restart": In(1),
                "table_valid": In(1),
                "table_entry": In(config.activation_bits),
                "fetched": In(config.word_bits),
                "residual_due": Out(1),
                "residual_valid": In(1),
                "constants": In(data.ArrayLayout(unit_constants(config), config.requantizers)),
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

        phase: dict[int, Value] = {}
        for unit in range(config.requantizers):
            group = unit * share // config.tile_cols
            if group not in phase:
                phase[group] = phases(m, group, [psum + group + i for i in range(share)], last)[0]
            constants = self.constants[unit]
            requantizer = Requantizer(config)
            m.submodules[f"requantizer{unit}"] = requantizer
            residual = self._residual(m, unit, group)
            m.d.comb += [
                requantizer.acc.eq(_select(phase[group], [self.psums[unit * share + n] for n in range(share)])),
                requantizer.factor.eq(constants.factor),
                requantizer.addend.eq(constants.addend),
                requantizer.scale_shift.eq(constants.scale_shift),
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
            result = delayed(m, requantizer.result, timing.table(config), f"plain{unit}")
            if config.table and unit == 0:
                result = Mux(self.table, self._looked_up(m, requantizer.result), result)
            waiting = delay_line(m, result, late, f"result{unit}")
            for n in range(share):
                m.d.comb += self.results[unit * share + n].eq(waiting[late - n])
        arrived = Cat(*(last[psum + 4 + n] for n in range(share))).any()
        m.d.comb += [
            self.logit_valid.eq(arrived & self.logits),
            self.results_valid.eq(last[timing.write(config)] & ~self.logits),
        ]
        return m

    def _looked_up(self, m: Module, result: Value) -> Value:
        """Return the table's number for a result, ``timing.table`` clocks later."""
        config = self.config
        bits = config.activation_bits
        entry = Signal(bits, reset_less=True)
        with m.If(self.table_valid):
            m.d.sync += entry.eq(entry + 1)
        with m.If(self.table_restart):
            m.d.sync += entry.eq(0)
        memory = Memory(shape=unsigned(bits), depth=1 << bits, init=[], attrs=NO_COLLISION)
        m.submodules.table = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(entry),
            write.data.eq(self.table_entry),
            write.en.eq(self.table_valid),
            read.addr.eq(result),
        ]
        return delayed(m, read.data, timing.table(config) - 1, "table_register")

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
        valid = delayed(m, self.residual_valid, group, f"residual_valid{unit}")
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

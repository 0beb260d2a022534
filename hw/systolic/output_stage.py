"""From partial sums to memory words: requantisers, their constants, and the words' assembly."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line, delayed
from hw.systolic.program import ResidualMode, constant_layout, factor_layout
from hw.systolic.requantizer import Requantizer


class OutputStage(wiring.Component):
    """``requantizers`` requantisers, each serving the same column of several groups in turn.

    Column groups come out one clock after another, so a requantiser that serves ``k`` neighbouring groups
    needs no buffer, only results that are ``k`` clocks apart. A channel's constants come from a small memory
    of the requantiser's own. Results of early groups wait in a delay line until the last group's is there.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    psums : ``cols`` signed(acc_width), in
    last : in
        A slot whose sums are complete was issued in this clock (clock 0).
    tile : 10 bits, in
        Index of the column tile, which selects the constants. Stable while results are under way.
    lane_set, residual_mode, residual_shift, maximum, logits : in, constant during a layer
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
                "tile": In(10),
                "lane_set": In(2),
                "residual_mode": In(ResidualMode),
                "residual_shift": In(5),
                "maximum": In(config.activation_bits),
                "logits": In(1),
                "fetched": In(config.word_bits),
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
        share = config.groups_per_requantizer
        banks = config.groups // share
        psum = timing.psum(config)

        # last[n] is high n clocks after the slot was issued.
        last = delay_line(m, self.last, timing.write(config), "last", reset_less=False)

        residuals = self._residuals(m)

        # Where the next constant goes: requantiser fastest, then phase, then tile.
        counter = Signal(range(config.requantizers))
        entry = Signal(range(max(2, config.constant_depth * share)))
        with m.If(self.constant_restart):
            m.d.sync += [counter.eq(0), entry.eq(0)]
        with m.Elif(self.constant_valid):
            m.d.sync += counter.eq(counter + 1)
            with m.If(counter == config.requantizers - 1):
                m.d.sync += [counter.eq(0), entry.eq(entry + 1)]

        for bank in range(banks):
            groups = range(bank * share, (bank + 1) * share)
            phase = self._phases(m, bank, [psum + g for g in groups], last)
            for h in range(config.group_cols):
                index = bank * config.group_cols + h
                unit = Requantizer(config)
                m.submodules[f"requantizer{index}"] = unit
                m.d.comb += [
                    unit.acc.eq(_select(phase[0], [self.psums[g * config.group_cols + h] for g in groups])),
                    unit.residual_shift.eq(self.residual_shift),
                    unit.maximum.eq(self.maximum),
                ]
                line = residuals[bank][h]
                with m.If(self.residual_mode == ResidualMode.ADD):
                    m.d.comb += unit.residual.eq(line)
                with m.If(self.residual_mode == ResidualMode.MAXIMUM):
                    m.d.comb += unit.other.eq(line)
                factors = Memory(
                    shape=factor_layout(config), depth=config.constant_depth * share, init=[], attrs=NO_COLLISION
                )
                addends = Memory(
                    shape=signed(config.scaled_width), depth=config.constant_depth * share, init=[], attrs=NO_COLLISION
                )
                m.submodules[f"factors{index}"] = factors
                m.submodules[f"addends{index}"] = addends
                enable = self.constant_valid & (counter == index)
                for memory, value, clock, target in (
                    (factors, self.constant.factor, -1, unit.factor),
                    (addends, self.constant.addend, 2, unit.addend),
                ):
                    write = memory.write_port()
                    read = memory.read_port()
                    address = Cat(phase[clock], self.tile) if share > 1 else self.tile
                    m.d.comb += [
                        write.addr.eq(entry),
                        write.data.eq(value),
                        write.en.eq(enable),
                        read.addr.eq(address),
                    ]
                    register = Signal.like(read.data, name=f"constant{index}_{clock + 1}", reset_less=True)
                    m.d.sync += register.eq(read.data)
                    m.d.comb += target.eq(register)
                if index == 0:
                    m.d.comb += self.logit.eq(unit.total)
                waiting = delay_line(m, unit.result, config.groups - 1 - groups[0], f"result{index}")
                for g in groups:
                    m.d.comb += self.results[g * config.group_cols + h].eq(waiting[config.groups - 1 - g])
        arrived = Cat(*(last[psum + 6 + g] for g in range(share))).any()
        m.d.comb += [
            self.logit_valid.eq(arrived & self.logits),
            self.results_valid.eq(last[timing.write(config)] & ~self.logits),
        ]
        return m

    def _phases(self, m: Module, bank: int, clocks: list[int], last: list[Value]) -> dict[int, Value]:
        """Return which group of a bank is at clock ``n`` of the requantiser, for n = -1 .. 7."""
        bits = max(1, (len(clocks) - 1).bit_length())
        now = Signal(bits, name=f"phase{bank}")
        for i, clock in enumerate(clocks):
            with m.If(last[clock - 1]):
                m.d.comb += now.eq(i)
        line = delay_line(m, now, 8 if len(clocks) > 1 else 0, f"phase{bank}")
        return {n: line[n + 1] if len(clocks) > 1 else now for n in range(-1, 8)}

    def _residuals(self, m: Module) -> list[list[Value]]:
        """Return, for every bank and column of a group, the residual operand of the group whose turn it is.

        The fetched word is in ``fetched`` while ``residual_valid`` is high; its lanes for a bank's groups then
        shift out one group a clock.
        """
        config = self.config
        a, share = config.activation_bits, config.groups_per_requantizer
        width = config.cols * a
        chosen = Signal(width, name="residual_word")
        with m.Switch(self.lane_set):
            for i in range(config.lane_sets):
                with m.Case(i):
                    m.d.comb += chosen.eq(self.fetched.word_select(i, width))
        lines = []
        for bank in range(config.groups // share):
            part = chosen.word_select(bank, share * config.group_cols * a)
            part = delayed(m, part, bank * share, f"residual_bank{bank}")
            valid = delayed(m, self.residual_valid, bank * share, f"residual_valid{bank}", reset_less=False)
            queue = Signal((share - 1) * config.group_cols * a, name=f"residual_queue{bank}", reset_less=True)
            now = Signal(config.group_cols * a, name=f"residual_now{bank}")
            m.d.comb += now.eq(Mux(valid, part, queue))
            if share > 1:
                m.d.sync += queue.eq(Mux(valid, part, queue) >> config.group_cols * a)
            lines.append([now.word_select(h, a) for h in range(config.group_cols)])
        return lines


def _select(phase: Value, values: list[Value]) -> Value:
    """Return ``values[phase]`` as a tree of two-way selections."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    bit = phase[half.bit_length() - 1]
    return Mux(bit, _select(phase, values[half:]), _select(phase, values[:half]))

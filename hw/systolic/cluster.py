"""A cluster: the maps of one image, and everything that computes on them."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.memory import MainMemory, ecp5_column_bits
from hw.systolic import timing
from hw.systolic.accumulator import Accumulator
from hw.systolic.array import ShiftAddArray
from hw.systolic.config import EngineConfig
from hw.systolic.control import control_layout
from hw.systolic.delay import delay_line, delayed
from hw.systolic.operand_fetch import OperandFetch
from hw.systolic.output_stage import OutputStage


class Cluster(wiring.Component):
    """Memory, operand fetch, array, accumulators and output stage: what is there once for every image at work.

    All clusters do the same at the same time, each on an image of its own; cluster ``i`` is ``i`` clocks behind
    cluster 0, so that only neighbours are connected::

        sequencer, addresses, weights ──► cluster 0 ──[1 clock]──► cluster 1 ──[1 clock]──► cluster 2

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    index : int
        Which cluster; its bit of ``image_valid``.
    init : sequence of int
        First words of memory after configuration, where the program lies in the same memory.

    Ports
    -----
    stopped : in; resets everything but the memory
    control : :func:`~hw.systolic.control.control_layout`, in
    write_enable, write_address, write_data : in
        A word of the program, where it lies in the same memory (while nothing else is going on). With ``shares_word``
        all data is ``control.image_word``, a clock later.
    fetched : ``word_bits``, out: the memory's fetch register
    results, results_valid : ``word_bits``, 1, out
        A word of results that is written in this clock. With ``shares_word`` the image loader's register takes it.
    pending : out: results of an earlier clock are still to be stored
    residual_next, output_next : out: this clock used the address of a residual operand, of a result
    logit, logit_valid : out: a logit
    trace_valid, trace_address, trace_mask, trace_data : out
        Every masked write of a result or of the image into memory, for simulation.
    """

    def __init__(self, config: EngineConfig, index: int, init: Sequence[int] = ()) -> None:
        self.config = config
        self.index = index
        self.init = init
        super().__init__(
            {
                "stopped": In(1),
                "control": In(control_layout(config)),
                "write_enable": In(1),
                "write_address": In(config.address_bits),
                "write_data": In(config.word_bits),
                "fetched": Out(config.word_bits),
                "results": Out(config.word_bits),
                "results_valid": Out(1),
                "pending": Out(1),
                "residual_next": Out(1),
                "output_next": Out(1),
                "logit": Out(signed(config.scaled_width)),
                "logit_valid": Out(1),
                "trace_valid": Out(1),
                "trace_address": Out(16),
                "trace_mask": Out(config.rows),
                "trace_data": Out(config.word_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, control = self.config, self.control
        m.submodules.memory = memory = MainMemory(
            config.word_bits,
            config.memory_words,
            config.activation_bits,
            single_port=config.single_port,
            registered=config.registered_ram,
            column_bits=ecp5_column_bits(config.memory_words) if config.registered_ram else None,
            late_data=config.shares_word,
            init=self.init,
        )
        reset = ResetInserter(self.stopped)
        fetch = OperandFetch(config)
        array = ShiftAddArray(config)
        output = OutputStage(config)
        m.submodules.operand_fetch = reset(fetch)
        m.submodules.array = reset(array)
        m.submodules.output_stage = reset(output)
        m.d.comb += [
            self.fetched.eq(memory.read_data),
            memory.read_address.eq(
                Mux(output.residual_due, control.residual_address, control.read_address),
            ),
            fetch.token.load.eq(control.load),
            fetch.token.begin.eq(control.begin),
            fetch.token.outside.eq(control.outside),
            fetch.token.low.eq(control.low),
            fetch.fetched.eq(memory.read_data),
            fetch.weights.eq(control.weights if config.program_words else memory.read_data),
            fetch.border.eq(control.border),
            array.load.eq(fetch.load),
            array.begin.eq(fetch.begin),
        ]
        for r in range(config.rows):
            m.d.comb += array.lanes[r].eq(fetch.lanes[r])

        early = timing.psum_tag(config)
        valid = delay_line(m, control.slot, early + config.groups, "slot")
        start = delay_line(m, control.pixel0, early + config.groups, "pixel0")
        first = delay_line(m, control.first, early + config.groups, "first")
        shift = delay_line(m, control.shift_sums, early + config.groups, "shift_sums")
        before: Accumulator | None = None
        for g in range(config.groups):
            accumulator = Accumulator(config, follows=before is not None)
            m.submodules[f"accumulator{g}"] = reset(accumulator)
            if before is not None:
                m.d.comb += accumulator.addresses_i.eq(before.addresses_o)
            before = accumulator
            m.d.comb += [
                accumulator.slot.valid.eq(valid[early + g]),
                accumulator.slot.start.eq(start[early + g]),
                accumulator.slot.first.eq(first[early + g]),
                accumulator.slot.shift.eq(shift[early + g]),
            ]
            for h in range(config.tile_cols):
                c = g * config.tile_cols + h
                m.d.comb += accumulator.sums[h].eq(array.sums[c])
                m.d.comb += output.psums[c].eq(accumulator.psums[h])

        m.d.comb += [
            output.last.eq(control.last),
            output.lane_set.eq(control.lane_set),
            output.residual_mode.eq(control.residual_mode),
            output.residual_shift.eq(control.residual_shift),
            output.maximum.eq(control.maximum),
            output.logits.eq(control.logits),
            output.table.eq(control.table),
            output.table_restart.eq(control.table_restart),
            output.table_valid.eq(control.table_valid),
            output.table_entry.eq(control.table_entry),
            output.constants.eq(control.constants),
            output.fetched.eq(memory.read_data),
            output.residual_valid.eq(delayed(m, output.residual_due, timing.fetch(config), "residual")),
            self.pending.eq(output.pending),
            self.residual_next.eq(output.residual_due),
            self.output_next.eq(output.results_valid),
            self.logit.eq(output.logit),
            self.logit_valid.eq(output.logit_valid),
        ]

        # Writes: program, image and results never come in one clock.
        late = int(config.shares_word)
        results = Cat(*(output.results[c] for c in range(config.cols))).replicate(config.lane_sets)
        lane_set = Cat(*(control.lane_set == i for i in range(config.lane_sets)))
        image = Signal()
        m.d.comb += [
            image.eq(control.image_valid[self.index]),
            memory.write_enable.eq(self.write_enable | image | output.results_valid),
            memory.write_address.eq(control.output_address),
            memory.write_data.eq(results),
            self.results.eq(results),
            self.results_valid.eq(output.results_valid),
            memory.write_mask.eq(Cat(*(chosen.replicate(config.cols) for chosen in lane_set))),
            self.trace_valid.eq(delayed(m, image | output.results_valid, late, "trace_valid", reset_less=False)),
            self.trace_address.eq(delayed(m, memory.write_address, late, "trace_address")),
            self.trace_mask.eq(delayed(m, memory.write_mask, late, "trace_mask")),
            self.trace_data.eq(memory.write_data),
        ]
        with m.If(image):
            m.d.comb += [memory.write_address.eq(control.image_address), memory.write_data.eq(control.image_word)]
        with m.If(self.write_enable):
            m.d.comb += [memory.write_address.eq(self.write_address), memory.write_data.eq(self.write_data)]
        with m.If(image | self.write_enable):
            m.d.comb += memory.write_mask.eq(-1)
        if config.shares_word:
            m.d.comb += memory.write_data.eq(control.image_word)
        return m

"""The systolic engine: runs any compiled network that fits its memory."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import MainMemory
from hw.systolic import timing
from hw.systolic.accumulator import Accumulator
from hw.systolic.address_generator import AddressGenerator
from hw.systolic.array import ShiftAddArray
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line, delayed
from hw.systolic.image_loader import ImageLoader
from hw.systolic.logit_output import LOGIT, LogitOutput
from hw.systolic.operand_fetch import OperandFetch
from hw.systolic.output_stage import OutputStage
from hw.systolic.port_schedule import PortSchedule
from hw.systolic.sequencer import Error, Sequencer

STATUS = data.StructLayout({"busy": 1, "error": Error, "cycles": 32})
"""``busy``: an inference is running; ``error``: why the engine stopped; ``cycles`` of the inference, until the
next one begins."""


class Engine(wiring.Component):
    """Main memory, sequencer, systolic array, requantisers, and streams for images and logits.

    ::

          image ──► image loader ──┐        ┌──────────── sequencer ◄── program, weights
                                   ▼        ▼                 │
                               main memory ──► operand fetch ──► array ──► accumulators
                                   ▲                                         │
                                   └───────── output stage ◄─────────────────┘
                                                   └──► logits, class

    One memory holds program, weights and maps. Its words are as wide as the array has rows, so one word
    a clock feeds the array: a tile of weights, then the activations that it multiplies.

    Parameters
    ----------
    config : EngineConfig
        Everything the gateware is generated from.
    init : sequence of int
        First words of main memory after configuration (not with SPRAM).

    Ports
    -----
    run : in
        High: execute the program from address 0. Low: stop, reset the state, take a program.
    image : stream of unsigned(activation_bits), in
        While ``run`` is high, images: rows top to bottom, pixels left to right, channels innermost. While it is
        low, the contents of main memory from address 0 on, lane by lane, lowest lane first.
    logits : stream of :data:`~hw.systolic.logit_output.LOGIT`, out
    klass : stream of unsigned(16), out
        Index of the largest logit, after the last one; :data:`~hw.systolic.logit_output.NO_CLASS` without ``argmax``.
    status : :data:`STATUS`, out
    trace_valid, trace_address, trace_mask, trace_data : out
        Every masked write of a result or of the image into main memory, for simulation.

    Latency
    -------
    ``status.cycles``, which the compiler predicts exactly: from the clock after the image is complete to the
    clock in which the last logit is in the output buffer.
    """

    def __init__(self, config: EngineConfig, init: Sequence[int] = ()) -> None:
        self.config = config
        self.init = init
        super().__init__(
            {
                "run": In(1),
                "image": In(stream.Signature(config.activation_bits)),
                "logits": Out(stream.Signature(LOGIT)),
                "klass": Out(stream.Signature(16)),
                "status": Out(STATUS),
                "trace_valid": Out(1),
                "trace_address": Out(16),
                "trace_mask": Out(config.rows),
                "trace_data": Out(config.word_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        stopped = Signal(init=1)
        m.d.sync += stopped.eq(~self.run)
        reset = ResetInserter(stopped)

        memory = MainMemory(
            config.word_bits,
            config.memory_words,
            config.activation_bits,
            single_port=config.single_port,
            registered=config.registered_ram,
            init=self.init,
        )
        m.submodules.memory = memory
        sequencer = Sequencer(config)
        addresses = AddressGenerator(config)
        schedule = PortSchedule(config)
        loader = ImageLoader(config)
        output = OutputStage(config)
        logits = LogitOutput(config)
        fetch = OperandFetch(config)
        array = ShiftAddArray(config)
        m.submodules.sequencer = reset(sequencer)
        m.submodules.address_generator = reset(addresses)
        m.submodules.port_schedule = reset(schedule)
        # Reset whenever ``run`` changes: between taking a program and taking images.
        m.submodules.image_loader = ResetInserter(stopped == self.run)(loader)
        m.submodules.operand_fetch = reset(fetch)
        m.submodules.array = reset(array)
        m.submodules.output_stage = reset(output)
        m.submodules.logit_output = reset(logits)
        layer = sequencer.result

        # Sequencer and address generator.
        issue_last = Signal()
        m.d.comb += [
            issue_last.eq(addresses.slot & addresses.last),
            sequencer.fetched.eq(memory.read_data),
            sequencer.read_free.eq(schedule.read_free),
            sequencer.pass_idle.eq(addresses.idle),
            sequencer.streaming.eq(addresses.active),
            sequencer.last_pass.eq(addresses.last_pass),
            sequencer.pending.eq(output.pending),
            sequencer.room.eq(logits.room),
            sequencer.input_busy.eq(loader.busy),
            addresses.operand.eq(sequencer.operand),
            addresses.result.eq(layer),
            addresses.prepare.eq(sequencer.pass_prepare),
            addresses.start.eq(sequencer.pass_start),
            addresses.instruction.eq(sequencer.instruction),
            addresses.base.eq(sequencer.base),
            addresses.y.eq(sequencer.y),
            addresses.go.eq(~sequencer.fetching & Mux(addresses.last, schedule.last_free, schedule.slot_free)),
            schedule.residual_mode.eq(layer.residual),
            schedule.stores.eq(layer.classes == 0),
            schedule.issue_last.eq(issue_last),
        ]

        m.d.comb += [
            sequencer.residual_next.eq(output.residual_due),
            sequencer.output_next.eq(output.results_valid),
        ]

        # Memory reads.
        with m.If(output.residual_due):
            m.d.comb += memory.read_address.eq(sequencer.residual_address)
        with m.Elif(sequencer.request):
            m.d.comb += memory.read_address.eq(sequencer.address)
        with m.Else():
            m.d.comb += memory.read_address.eq(addresses.address)

        # Array.
        m.d.comb += [
            fetch.token.load.eq(sequencer.load),
            fetch.token.begin.eq(sequencer.load_begins),
            fetch.token.outside.eq(addresses.slot & addresses.outside),
            fetch.fetched.eq(memory.read_data),
            fetch.border.eq(layer.border),
            array.load.eq(fetch.load),
            array.begin.eq(fetch.begin),
        ]
        for r in range(config.rows):
            m.d.comb += array.lanes[r].eq(fetch.lanes[r])

        # Accumulators; their slot tags start one clock before the address is needed.
        early = timing.psum_address(config) - 1
        valid = delay_line(m, addresses.slot, early + config.groups, "slot", reset_less=False)
        start = delay_line(m, addresses.pixel0, early + config.groups, "pixel0")
        first = delay_line(m, addresses.first, early + config.groups, "first")
        for g in range(config.groups):
            accumulator = Accumulator(config)
            m.submodules[f"accumulator{g}"] = reset(accumulator)
            m.d.comb += [
                accumulator.slot.valid.eq(valid[early + g]),
                accumulator.slot.start.eq(start[early + g]),
                accumulator.slot.first.eq(first[early + g]),
            ]
            for h in range(config.tile_cols):
                c = g * config.tile_cols + h
                m.d.comb += accumulator.sums[h].eq(array.sums[c])
                m.d.comb += output.psums[c].eq(accumulator.psums[h])

        # Output stage.
        m.d.comb += [
            output.last.eq(issue_last),
            output.tile.eq(sequencer.tile_constants),
            output.lane_set.eq(sequencer.lane_set),
            output.residual_mode.eq(layer.residual),
            output.residual_shift.eq(layer.residual_shift),
            output.maximum.eq(layer.maximum),
            output.logits.eq(layer.classes != 0),
            output.fetched.eq(memory.read_data),
            output.residual_valid.eq(
                delayed(m, output.residual_due, timing.fetch(config), "residual", reset_less=False)
            ),
            output.constant_restart.eq(sequencer.constant_restart),
            output.constant_valid.eq(sequencer.constant_valid),
            output.constant.eq(sequencer.constant),
            logits.restart.eq(sequencer.layer_begins),
            logits.classes.eq(layer.classes),
            logits.value.eq(output.logit),
            logits.valid.eq(output.logit_valid),
        ]
        wiring.connect(m, wiring.flipped(self.logits), logits.logits)
        wiring.connect(m, wiring.flipped(self.klass), logits.klass)

        # Memory writes: program or image, and results. They never come in one clock.
        results = Cat(*(output.results[c] for c in range(config.cols)))
        lane_set = Cat(*(sequencer.lane_set == i for i in range(config.lane_sets)))
        m.d.comb += [
            loader.raw.eq(stopped & ~self.run),
            loader.start.eq(sequencer.input_start),
            loader.fields.eq(sequencer.input_fields),
            memory.write_enable.eq(loader.write_enable | output.results_valid),
        ]
        wiring.connect(m, wiring.flipped(self.image), loader.image)
        with m.If(loader.write_enable):
            m.d.comb += [
                memory.write_address.eq(loader.write_address),
                memory.write_data.eq(loader.write_data),
                memory.write_mask.eq(-1),
            ]
        with m.Else():
            m.d.comb += [
                memory.write_address.eq(sequencer.output_address),
                memory.write_data.eq(results.replicate(config.lane_sets)),
                memory.write_mask.eq(Cat(*(chosen.replicate(config.cols) for chosen in lane_set))),
            ]

        # Clocks of an inference.
        cycles = Signal(32)
        with m.If(sequencer.begins):
            m.d.sync += cycles.eq(0)
        with m.Elif(sequencer.busy & ~sequencer.done):
            m.d.sync += cycles.eq(cycles + 1)
        m.d.comb += [
            self.status.busy.eq(sequencer.busy),
            self.status.error.eq(sequencer.error),
            self.status.cycles.eq(cycles),
            self.trace_valid.eq(memory.write_enable & ~stopped),
            self.trace_address.eq(memory.write_address),
            self.trace_mask.eq(memory.write_mask),
            self.trace_data.eq(memory.write_data),
        ]
        return m

"""The systolic engine: runs any compiled network that fits its memory."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import MainMemory, ecp5_column_bits
from hw.systolic.address_generator import AddressGenerator
from hw.systolic.cluster import Cluster
from hw.systolic.config import EngineConfig
from hw.systolic.control import control_layout
from hw.systolic.delay import delayed
from hw.systolic.header_check import Error
from hw.systolic.image_loader import ImageLoader
from hw.systolic.load_checksum import LoadChecksum
from hw.systolic.logit_output import LOGIT, LogitOutput
from hw.systolic.output_constants import OutputConstants
from hw.systolic.phase_norms import PhaseNorms
from hw.systolic.port_schedule import PortSchedule
from hw.systolic.sequencer import Sequencer
from hw.systolic.stream_register import StreamRegister

STATUS = data.StructLayout({"busy": 1, "error": Error, "cycles": 32})
"""``busy``: an inference is running; ``error``: why the engine stopped; ``cycles`` of the inference, until the
next one begins."""


class Engine(wiring.Component):
    """Sequencer, address generator, and the clusters that compute; streams for images and logits.

    ::

          image ──► image loader ──┐        ┌──────────── sequencer ◄── program, weights
                                   ▼        ▼                 │
          cluster:             main memory ──► operand fetch ──► array ──► accumulators
                                   ▲                                         │
                                   └───────── output stage ◄─────────────────┘
                                                   └──► logits, class

    One memory holds program, weights and maps. Its words are as wide as the array has rows, so one word
    a clock feeds the array: a tile of weights, then the activations that it multiplies. With a program memory of
    its own, program and weights are read beside the operands, and once for all clusters: an inference then takes
    ``clusters`` images, and their logits come out one image after another.

    Parameters
    ----------
    config : EngineConfig
        Everything the gateware is generated from.
    init : sequence of int
        First words of the program's memory after configuration (not with SPRAM).

    Ports
    -----
    run : in
        High: execute the program from address 0. Low: stop, reset the state, take a program.
    image : stream of unsigned(activation_bits), in
        While ``run`` is high, images: rows top to bottom, pixels left to right, channels innermost (in two planes:
        the high bits of a row, then its low bits). While it is
        low, the program from address 0 on, lane by lane, lowest lane first; ``run`` may rise 4 clocks after the last.
    logits : stream of :data:`~hw.systolic.logit_output.LOGIT`, out
    klass : stream of unsigned(16), out
        Index of the largest logit, after the last one; :data:`~hw.systolic.logit_output.NO_CLASS` without ``argmax``.
    status : :data:`STATUS`, out
    trace_valid, trace_address, trace_mask, trace_data : out
        Every masked write of a result or of the image into a cluster's memory, for simulation.

    Latency
    -------
    ``status.cycles``, which the compiler predicts exactly: from the clock after the (last) image is complete to the
    clock in which the last logit is in the output buffer, of cluster 0; cluster ``i`` is ``i`` clocks behind.
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
                "trace_valid": Out(1).array(config.clusters),
                "trace_address": Out(16).array(config.clusters),
                "trace_mask": Out(config.rows).array(config.clusters),
                "trace_data": Out(config.word_bits).array(config.clusters),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        # Where wires are long, a register is on the way of what comes from afar.
        late = int(config.registered_ram)
        run = delayed(m, self.run, late, "run", reset_less=False)
        stopped = Signal(init=1)
        m.d.sync += stopped.eq(~run)
        reset = ResetInserter(stopped)

        sequencer = Sequencer(config)
        addresses = AddressGenerator(config)
        schedule = PortSchedule(config)
        constants = OutputConstants(config)
        loader = ImageLoader(config)
        split = config.program_words > 0
        clusters = [Cluster(config, i, () if split else self.init) for i in range(config.clusters)]
        m.submodules.sequencer = reset(sequencer)
        m.submodules.address_generator = reset(addresses)
        m.submodules.port_schedule = reset(schedule)
        m.submodules.output_constants = reset(constants)
        m.submodules.checksum = checksum = LoadChecksum(config)
        # Reset whenever ``run`` changes: between taking a program and taking images.
        m.submodules.image_loader = ResetInserter(stopped == run)(loader)
        for i, cluster in enumerate(clusters):
            m.submodules[f"cluster{i}"] = cluster
            # In step with the cluster's control; one clock's wire need not reach all of them.
            m.d.comb += cluster.stopped.eq(delayed(m, stopped, i, f"stopped{i}", reset_less=False))
        layer = sequencer.result
        # A program comes: ``stopped`` and no ``run``, known a clock before where the latter has a register.
        raw = Signal(init=1)
        if late:
            m.d.sync += raw.eq(~run & ~self.run)
        else:
            m.d.comb += raw.eq(stopped & ~run)
        program_write = loader.write_enable & raw

        # The program, and the word that the memory's read port is for.
        read_address = Signal(config.address_bits)
        m.d.comb += read_address.eq(addresses.address)
        program = clusters[0].fetched
        if split:
            m.submodules.program = memory = MainMemory(
                config.word_bits, config.program_words, config.word_bits,
                single_port=False, registered=config.registered_ram, init=self.init,
                column_bits=ecp5_column_bits(config.program_words) if config.registered_ram else None,
                late_data=config.shares_word,
            )  # fmt: skip
            m.d.comb += [
                memory.read_address.eq(sequencer.address),
                memory.write_enable.eq(program_write),
                memory.write_address.eq(loader.write_address),
                memory.write_data.eq(loader.write_data),
                memory.write_mask.eq(-1),
            ]
            program = memory.read_data
        else:
            # Where no operand is read it may be anything: a slot is known earlier than what the sequencer asks for.
            with m.If(~addresses.slot):
                m.d.comb += read_address.eq(sequencer.address)
            m.d.comb += [
                clusters[0].write_enable.eq(program_write),
                clusters[0].write_address.eq(loader.write_address),
                clusters[0].write_data.eq(loader.write_data),
            ]

        # A clock late, as it enables many registers. ``run`` may fall in any clock: the loader is reset then.
        load_image = Signal()
        m.d.sync += load_image.eq(sequencer.input_start & run)

        # Sequencer and address generator.
        issue_last = Signal()
        m.d.comb += [
            issue_last.eq(addresses.slot & addresses.last),
            sequencer.fetched.eq(program),
            sequencer.intact.eq(checksum.intact),
            sequencer.read_free.eq(1 if split else schedule.read_free),
            sequencer.pass_idle.eq(~addresses.active),
            sequencer.streaming.eq(addresses.active),
            sequencer.last_pass.eq(addresses.last_pass),
            sequencer.pending.eq(clusters[0].pending),
            sequencer.input_busy.eq(loader.busy | load_image),
            sequencer.residual_next.eq(clusters[0].residual_next),
            sequencer.output_next.eq(clusters[0].output_next),
            addresses.operand.eq(sequencer.operand),
            addresses.result.eq(layer),
            addresses.wrapping.eq(sequencer.wrapping),
            addresses.x_wrap.eq(sequencer.x_wrap),
            addresses.y_wrap.eq(sequencer.y_wrap),
            addresses.prepare.eq(sequencer.pass_prepare),
            addresses.start.eq(sequencer.pass_start),
            addresses.instruction.eq(sequencer.instruction),
            addresses.base.eq(sequencer.base),
            addresses.y.eq(sequencer.y),
            addresses.go.eq(schedule.slot_free if split else ~sequencer.fetching & schedule.slot_free),
            schedule.residual_mode.eq(layer.residual),
            schedule.stores.eq(layer.classes == 0),
            schedule.issue_last.eq(issue_last),
            schedule.next_is_last.eq(addresses.next_is_last),
            constants.last.eq(issue_last),
            constants.tile.eq(sequencer.tile_constants),
            constants.restart.eq(sequencer.constant_restart),
            constants.valid.eq(sequencer.constant_valid),
            constants.constant.eq(sequencer.constant),
        ]

        if config.norm_bits:
            norms = PhaseNorms(config)
            m.submodules.phase_norms = reset(norms)
            m.d.comb += [
                norms.measured.eq(layer.measured),
                norms.begins.eq(sequencer.layer_begins),
                norms.ends.eq(sequencer.layer_ends),
                norms.tile_begins.eq(sequencer.tile_begins),
                norms.cols.eq(sequencer.operand.cols),
                norms.valid.eq(clusters[0].results_valid),
                sequencer.phase.eq(norms.phase),
            ]
            for c in range(config.cols):
                m.d.comb += norms.lanes[c].eq(clusters[0].results.word_select(c, config.activation_bits))

        # Images and programs.
        raw_lane = delayed(m, raw, loader.lane_late, "raw_lane")
        image = wiring.flipped(self.image)
        if config.registered_ram:
            changing = (stopped == run) | (run != self.run)
            register = StreamRegister(config.activation_bits)
            m.submodules.image_register = ResetInserter(stopped == run)(register)
            m.d.comb += [
                register.i.valid.eq(self.image.valid & ~changing),
                register.i.payload.eq(self.image.payload),
                self.image.ready.eq(register.i.ready & ~changing),
            ]
            image = register.o
        wiring.connect(m, image, loader.image)
        m.d.comb += [
            loader.raw.eq(raw),
            loader.result.eq(clusters[0].results),
            loader.result_valid.eq(clusters[0].results_valid),
            loader.start.eq(load_image),
            loader.fields.eq(sequencer.input_fields),
            checksum.restart.eq(~stopped & ~run),
            checksum.valid.eq(loader.lane_valid & raw_lane),
            checksum.lane.eq(loader.lane),
        ]

        # The image may be written late: the sequencer needs more clocks before it reads the first operand.
        for_cluster = Cat(
            *(loader.write_enable & ~raw & (sequencer.input_cluster == i) for i in range(config.clusters))
        )
        # From cluster to cluster, each a clock behind the one before.
        control = Signal(control_layout(config))
        m.d.comb += [
            control.read_address.eq(read_address),
            control.slot.eq(addresses.slot),
            control.pixel0.eq(addresses.pixel0),
            control.first.eq(addresses.first),
            control.low.eq(addresses.low),
            control.shift_sums.eq(addresses.shift_sums),
            control.last.eq(issue_last),
            control.outside.eq(addresses.slot & addresses.outside),
            control.load.eq(sequencer.load),
            control.begin.eq(sequencer.load_begins),
            control.weights.eq(program),
            # Activations have two bits at least, so a zero point is 2 or more, or 0.
            control.border.eq(layer.border & ~1),
            control.maximum.eq(layer.maximum | 3),
            control.logits.eq(layer.classes != 0),
            control.residual_mode.eq(layer.residual),
            control.residual_shift.eq(layer.residual_shift),
            control.lane_set.eq(sequencer.lane_set),
            control.output_address.eq(sequencer.output_address),
            control.residual_address.eq(sequencer.residual_address),
            control.image_valid.eq(delayed(m, for_cluster, late, "image_valid", reset_less=False)),
            control.image_address.eq(delayed(m, loader.write_address, late, "image_address")),
            control.image_word.eq(delayed(m, loader.write_data, late, "image_word")),
            control.constants.eq(constants.units),
            control.table.eq(layer.table),
            control.table_restart.eq(sequencer.table_restart),
            control.table_valid.eq(sequencer.table_valid),
            control.table_entry.eq(sequencer.constant.as_value()[: config.activation_bits]),
        ]
        for cluster in clusters:
            m.d.comb += cluster.control.eq(control)
            later = Signal.like(control, name=f"control{cluster.index + 1}")
            m.d.sync += later.eq(control)
            control = later

        self._answers(m, reset, sequencer, clusters)
        for i, cluster in enumerate(clusters):
            m.d.comb += [
                self.trace_valid[i].eq(cluster.trace_valid),
                self.trace_address[i].eq(cluster.trace_address),
                self.trace_mask[i].eq(cluster.trace_mask),
                self.trace_data[i].eq(cluster.trace_data),
            ]

        # Clocks of an inference, and its watchdog. Both are a clock late, so that they need not know the sequencer's
        # state; the count is the same.
        cycles, counting = Signal(config.watchdog_bits + 1), Signal()
        m.d.sync += [counting.eq(sequencer.busy), sequencer.overdue.eq(counting & cycles[config.watchdog_bits])]
        with m.If(sequencer.busy):
            m.d.sync += cycles.eq(Mux(counting, cycles + 1, 0))
        m.d.comb += [
            self.status.busy.eq(sequencer.busy),
            self.status.error.eq(sequencer.error),
            self.status.cycles.eq(cycles),
        ]
        return m

    def _answers(self, m: Module, reset: ResetInserter, sequencer: Sequencer, clusters: Sequence[Cluster]) -> None:
        """Bring out the logits and classes, one cluster after another."""
        turn = Signal(range(self.config.clusters))
        rooms = []
        for i, cluster in enumerate(clusters):
            logits = LogitOutput(self.config)
            m.submodules[f"logit_output{i}"] = reset(logits)
            m.d.comb += [
                logits.restart.eq(delayed(m, sequencer.layer_begins, i, f"layer_begins{i}")),
                logits.classes.eq(sequencer.result.classes),
                logits.value.eq(cluster.logit),
                logits.valid.eq(cluster.logit_valid),
            ]
            rooms.append(logits.room)
            with m.If(turn == i):
                wiring.connect(m, wiring.flipped(self.logits), logits.logits)
                wiring.connect(m, wiring.flipped(self.klass), logits.klass)
        m.d.comb += sequencer.room.eq(Cat(*rooms).all())
        if len(clusters) > 1:
            with m.If(self.klass.valid & self.klass.ready):
                m.d.sync += turn.eq(Mux(turn == len(clusters) - 1, 0, turn + 1))

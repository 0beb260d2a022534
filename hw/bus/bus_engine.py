"""An engine with registers around it, for any bus."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hw.bus.beat_serializer import BeatSerializer, beat_layout
from hw.bus.frame_gate import FrameGate
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.register_file import ADDRESS_BITS, RegisterFile
from hw.bus.registers import EVENTS, constants, registers
from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine
from hw.systolic.logit_output import LOGIT

DATA_DEPTH = 16
"""Words that the FIFO behind DATA holds."""

LOGIT_DEPTH = 64
"""Logits that the FIFO before LOGIT holds."""

REGISTER_ACCESS = wiring.Signature(
    {
        "read": Out(1),
        "read_address": Out(ADDRESS_BITS),
        "read_data": In(32),
        "readable": In(1),
        "write": Out(1),
        "write_address": Out(ADDRESS_BITS),
        "write_data": Out(32),
        "write_mask": Out(4),
        "writable": In(1),
    }
)
"""Reads and writes of registers as a bus makes them, see :class:`~hw.bus.register_file.RegisterFile`."""


class BusEngine(wiring.Component):
    """Registers, the gate for frames, and the engine; what a bus adds is its handshake.

    ::

          registers ◄──► register file ──► run, sizes ──┐
                             ▲  events, status          ▼
          data ──► words to bytes ──► frame gate ──► engine ──► logits

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine; one cluster, activations of 8 or 4 bits.
    width : int
        Bytes of a word of data.
    through_registers : bool
        Data and logits go through the registers DATA and LOGIT, not through streams.

    Ports
    -----
    registers : :data:`REGISTER_ACCESS`, in
    data : stream of :func:`~hw.bus.beat_serializer.beat_layout`, in; unless ``through_registers``
    logits : stream of :data:`~hw.systolic.logit_output.LOGIT`, out; unless ``through_registers``
    interrupt : out, high while an enabled event is set

    Raises
    ------
    ValueError
        If the engine has another shape.
    """

    def __init__(self, config: EngineConfig, width: int = 4, *, through_registers: bool = False) -> None:
        if config.activation_bits not in (4, 8):
            raise ValueError(f"a bus carries activations of 4 or 8 bits, the engine has {config.activation_bits}")
        if config.clusters != 1:
            raise ValueError(f"a bus carries the answers of one cluster, the engine has {config.clusters}")
        self.config = config
        self.width = width
        self.through_registers = through_registers
        members: dict[str, Any] = {"registers": In(REGISTER_ACCESS), "interrupt": Out(1)}
        if not through_registers:
            members["data"] = In(stream.Signature(beat_layout(width)))
            members["logits"] = Out(stream.Signature(LOGIT))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        here = registers(data=self.through_registers)
        m.submodules.registers = file = RegisterFile(here, constants(config, data=self.through_registers))
        clear = ResetInserter(file.control_reset)
        m.submodules.serializer = serializer = clear(BeatSerializer(self.width))
        m.submodules.gate = gate = clear(FrameGate())
        m.submodules.engine = engine = Engine(config)
        for name in ("read", "read_address", "write", "write_address", "write_data", "write_mask"):
            m.d.comb += getattr(file, name).eq(getattr(self.registers, name))
        for name in ("read_data", "readable", "writable"):
            m.d.comb += getattr(self.registers, name).eq(getattr(file, name))

        error = Signal()
        m.d.sync += error.eq(Cat(engine.status.error).any())
        m.d.comb += [
            file.reset.eq(file.control_reset),
            gate.wanted_run.eq(file.control_run),
            file.control_run_lower.eq(gate.refuse_run),
            gate.program_bytes.eq(file.program_bytes_value),
            gate.image_bytes.eq(file.image_bytes_value),
            gate.error.eq(error),
            gate.busy.eq(engine.status.busy),
            gate.answered.eq(engine.logits.valid & engine.logits.ready & engine.logits.payload.last),
            engine.run.eq(gate.run),
            file.status_busy.eq(engine.status.busy),
            file.status_error.eq(engine.status.error),
            file.status_loaded.eq(gate.loaded),
            file.status_wanted.eq(gate.wanted),
            file.status_running.eq(gate.running),
            file.status_result.eq(file.events_result),
        ]
        wiring.connect(m, serializer.o, gate.i)
        if config.activation_bits == 4:
            m.submodules.splitter = splitter = LaneSplitter()
            m.d.comb += splitter.run.eq(gate.run)
            wiring.connect(m, gate.image, splitter.i)
            wiring.connect(m, splitter.o, engine.image)
        else:
            wiring.connect(m, gate.image, engine.image)

        # An image is answered when its class came and the engine has ended its count.
        classified, answered = Signal(name="classified"), Signal(name="answered")
        m.d.comb += [engine.klass.ready.eq(1), answered.eq(classified & ~engine.status.busy)]
        with m.If(answered | ~gate.run):
            m.d.sync += classified.eq(0)
        with m.If(engine.klass.valid & gate.run):
            m.d.sync += [classified.eq(1), file.class_value.eq(engine.klass.payload)]
        with m.If(answered):
            m.d.sync += [file.cycles_value.eq(engine.status.cycles), file.images_value.eq(file.images_value + 1)]
        with m.If(gate.waits):
            m.d.sync += file.stalls_value.eq(file.stalls_value + 1)
        before = Signal()
        m.d.sync += before.eq(error)
        with m.If(file.control_reset):
            m.d.sync += [
                classified.eq(0), file.class_value.eq(0), file.cycles_value.eq(0), file.images_value.eq(0),
                file.stalls_value.eq(0),
            ]  # fmt: skip
        m.d.comb += [
            file.events_result_set.eq(answered),
            file.events_engine_error_set.eq(error & ~before),
            file.events_not_loaded_set.eq(gate.not_loaded),
            file.events_program_size_set.eq(gate.program_size),
            file.events_image_size_set.eq(gate.image_size),
            file.events_dropped_set.eq(gate.dropped),
        ]
        if self.through_registers:
            self._fifos(m, clear, file, serializer, engine)
        else:
            wiring.connect(m, wiring.flipped(self.data), serializer.i)
            wiring.connect(m, engine.logits, wiring.flipped(self.logits))
        pending = Cat(getattr(file, f"events_{name}") & getattr(file, f"interrupt_enable_{name}") for name, _ in EVENTS)
        m.d.sync += self.interrupt.eq(pending.any())
        return m

    def _fifos(
        self, m: Module, clear: ResetInserter, file: RegisterFile, serializer: BeatSerializer, engine: Engine
    ) -> None:
        """Put FIFOs between the registers of data and the engine."""
        beat = Signal(beat_layout(self.width))
        words = SyncFIFOBuffered(width=len(beat.as_value()), depth=DATA_DEPTH)
        logits = SyncFIFOBuffered(width=32, depth=LOGIT_DEPTH)
        m.submodules.words, m.submodules.logit_fifo = clear(words), clear(logits)
        push = Signal()
        m.d.comb += [
            push.eq(file.data_push | file.data_last_push),
            beat.value.eq(file.write_data),
            beat.keep.eq(file.write_mask),
            beat.last.eq(file.data_last_push),
            words.w_data.eq(beat),
            words.w_en.eq(push),
            file.events_data_full_set.eq(push & ~words.w_rdy),
            file.data_space_value.eq(DATA_DEPTH - words.level),
            serializer.i.valid.eq(words.r_rdy),
            serializer.i.payload.eq(words.r_data),
            words.r_en.eq(serializer.i.ready),
            logits.w_data.eq(engine.logits.payload.value),
            logits.w_en.eq(engine.logits.valid),
            engine.logits.ready.eq(logits.w_rdy),
            logits.r_en.eq(file.logit_pop),
            file.logit_value.eq(Mux(logits.r_rdy, logits.r_data, 0)),
            file.logits_waiting_value.eq(logits.level),
            file.events_logit_empty_set.eq(file.logit_pop & ~logits.r_rdy),
        ]

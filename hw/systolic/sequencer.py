"""Reads the layer program and drives the engine."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.header_check import Error, HeaderCheck
from hw.systolic.layer_register import kept
from hw.systolic.legal_opcode import legal_opcode
from hw.systolic.program import (
    CONSTANTS,
    COORDINATE_BITS,
    END,
    HEADER,
    INPUT,
    LOOP,
    OPERAND,
    PASS,
    RESULT,
    STRIP,
    TILE,
    VIEW,
    Opcode,
    constant_layout,
    constant_words,
    instruction_words,
)
from hw.systolic.strip_offsets import strip_offsets
from hw.systolic.tile_register import TileRegister
from hw.systolic.view_register import view_register


class Sequencer(wiring.Component):
    """Fetches instructions ahead of the pass that is streaming, and weights behind it.

    While the address generator streams the pixels of one pass, the sequencer has the next pass's instruction in its
    register. When the last pixel is on its way it reads the weights and hands the pass over, so nothing is lost but the
    ``weight_words`` clocks of the port.

    ``OPERAND`` and ``INPUT`` wait until every result of the layer before is stored, ``TILE`` until the
    results of the tile before are.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    fetched : the memory's fetch register, in
    intact : in; the program arrived as it was sent
    overdue : in; the inference takes too long, stop it at the next word
    read_free : in; the read port is free
    address, load, load_begins : out
        What is read in a clock without an operand; ``load``: the word is weights for the array, ``load_begins``: the
        first ones of a pass.
    fetching : out
        An instruction is wanted; operands wait (weights are read when there are none).
    operand, result, tile_constants, lane_set, residual_address, output_address : out
        Registers of the current layer and tile; the addresses move on with ``residual_next``, ``output_next``.
    layer_begins, layer_ends, tile_begins : out
        ``result`` is new in this clock; the results of the layer before are stored; a tile's first result is next.
    phase : in; the largest phase of the last measured map
    wrapping, x_wrap, y_wrap : out; the layer's input map wraps around, see :data:`~hw.systolic.program.VIEW`
    pass_prepare, pass_start, instruction, base, y : the next pass, see
        :class:`~hw.systolic.address_generator.AddressGenerator`
    pass_idle, streaming, last_pass : in, from the address generator
    pending : in; results of slots issued before this clock are still to be stored
    room : in; logits can be taken
    input_start, input_fields, input_busy : the image loader
    input_cluster : out; whose image it takes
    constant_restart, constant_valid, constant : to the output constants
    table_restart, table_valid : to the table, which takes the lowest bits of ``constant``
    busy, error : out; an inference is running; why the engine stopped

    Latency
    -------
    An instruction takes ``instruction_words * (timing.fetch + 1) + 1`` clocks and more where it waits; a word of
    weights one.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "fetched": In(config.word_bits),
                "intact": In(1),
                "overdue": In(1),
                "read_free": In(1),
                "fetching": Out(1),
                "address": Out(config.program_bits),
                "load": Out(1),
                "load_begins": Out(1),
                "operand": Out(OPERAND),
                "result": Out(RESULT),
                "layer_begins": Out(1),
                "layer_ends": Out(1),
                "tile_begins": Out(1),
                "phase": In(2),
                "wrapping": Out(1),
                "x_wrap": Out(config.address_bits),
                "y_wrap": Out(config.address_bits),
                "tile_constants": Out(10),
                "lane_set": Out(2),
                "output_address": Out(config.address_bits),
                "output_next": In(1),
                "residual_address": Out(config.address_bits),
                "residual_next": In(1),
                "pass_prepare": Out(1),
                "pass_start": Out(1),
                "instruction": Out(PASS),
                "base": Out(config.address_bits),
                "y": Out(signed(COORDINATE_BITS)),
                "pass_idle": In(1),
                "streaming": In(1),
                "last_pass": In(1),
                "pending": In(1),
                "room": In(1),
                "input_start": Out(1),
                "input_fields": Out(INPUT),
                "input_busy": In(1),
                "input_cluster": Out(range(config.clusters)),
                "constant_restart": Out(1),
                "constant_valid": Out(1),
                "constant": Out(constant_layout(config)),
                "table_restart": Out(1),
                "table_valid": Out(1),
                "busy": Out(1),
                "error": Out(Error),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        counter = Signal(config.program_bits)
        # Filled word by word from the top, so a constant of fewer words than an instruction lies higher.
        buffer = Signal(instruction_words(config) * config.word_bits, reset_less=True)
        constant = buffer[(instruction_words(config) - constant_words(config)) * config.word_bits :]

        def view(layout: data.StructLayout) -> data.View[data.StructLayout]:
            return data.View(layout, buffer[: layout.size])

        quiet = Signal()
        m.d.comb += quiet.eq(~self.streaming & ~self.pending)

        # Registers of layer, tile and strip.
        operand = Signal(OPERAND, reset_less=True)
        result = Signal(RESULT, reset_less=True)
        loops = Signal(config.coordinate_bits, reset_less=True)
        layer_begins = Signal(reset_less=True)
        # These registers are wide: they take the instruction a clock after it was decoded, long before the next one.
        take_operand, take_result, take_tile, take_strip, take_view = (
            Signal(name=f"take_{what}", reset_less=True) for what in ("operand", "result", "tile", "strip", "view")
        )
        # No room for logits. A clock late: tiles are further apart than that.
        held = Signal(reset_less=True)
        m.d.sync += held.eq((result.classes != 0) & ~self.room)
        m.d.sync += [take_operand.eq(0), take_result.eq(0), take_tile.eq(0), take_strip.eq(0), take_view.eq(0)]
        phase = Mux(self.phase[1], view(VIEW).x_phase, 0) + Mux(self.phase[0], view(VIEW).y_phase, 0)
        offsets = strip_offsets(
            m, config, view(STRIP), restart=take_operand, advance=take_strip, view=take_view, phase=phase
        )
        register = view_register(m, config, view(VIEW), clear=take_operand, take=take_view)
        m.d.comb += [
            self.wrapping.eq(register.wrapping),
            self.x_wrap.eq(register.x_wrap),
            self.y_wrap.eq(register.y_wrap),
        ]
        with m.If(take_operand):
            m.d.sync += [*kept(operand, view(OPERAND), config), loops.eq(0)]
        m.d.sync += layer_begins.eq(take_result)
        with m.If(take_result):
            m.d.sync += kept(result, view(RESULT), config)
        m.d.comb += [
            self.address.eq(counter),
            self.operand.eq(operand),
            self.result.eq(result),
            self.layer_begins.eq(layer_begins),
            self.layer_ends.eq(take_operand),
            self.tile_begins.eq(take_tile),
            self.instruction.eq(view(PASS)),
            self.base.eq(view(PASS).address + offsets.input),
            self.y.eq(view(PASS).y + offsets.y),
            self.input_fields.eq(view(INPUT)),
            self.constant.eq(constant[: constant_layout(config).size]),
        ]

        part = Signal(range(max(2, instruction_words(config))))
        clocks = Signal(range(timing.fetch(config)), reset_less=True)
        most_constants = max(config.constant_depth * config.cols, config.table << config.activation_bits)
        constants_left = Signal(range(most_constants + 1), reset_less=True)
        in_constants = Signal()
        in_table = Signal()
        weights_left = Signal(range(config.weight_words + 1), reset_less=True)
        error = Signal(Error)
        checked = Signal()
        busy = Signal()
        cluster = Signal(range(config.clusters))
        m.d.comb += [self.error.eq(error), self.busy.eq(busy), self.input_cluster.eq(cluster)]

        m.submodules.header_check = check = HeaderCheck(config)
        m.submodules.tile_register = tile = TileRegister(config)
        m.d.comb += [
            check.header.eq(view(HEADER)),
            check.intact.eq(self.intact),
            tile.begins.eq(take_tile),
            tile.tile.eq(view(TILE)),
            tile.output_offset.eq(offsets.output),
            tile.residual_offset.eq(offsets.residual),
            tile.output_next.eq(self.output_next),
            tile.residual_next.eq(self.residual_next),
            self.output_address.eq(tile.output_address),
            self.residual_address.eq(tile.residual_address),
            self.tile_constants.eq(tile.constants),
            self.lane_set.eq(tile.lane_set),
        ]

        # A clock late, as they enable many registers elsewhere.
        starts, constant_restart, table_restart = (
            Signal(name=name) for name in ("starts", "restarts", "table_restarts")
        )
        m.d.sync += [starts.eq(0), constant_restart.eq(0), table_restart.eq(0)]
        m.d.comb += [self.input_start.eq(starts), self.constant_restart.eq(constant_restart)]
        if config.table:
            m.d.comb += self.table_restart.eq(table_restart)

        # Beside the state, so that what waits for it has a flip-flop of its own to ask.
        fetching, preparing, handing = Signal(init=1), Signal(), Signal()
        m.d.comb += [self.fetching.eq(fetching), self.pass_prepare.eq(preparing & self.pass_idle)]
        m.d.comb += self.constant_valid.eq(handing & ~in_table if config.table else handing)
        if config.table:
            m.d.comb += self.table_valid.eq(handing & in_table)

        # Whether it is an instruction: found out with its last word's arrival, so that the state has less to do.
        illegal = Signal(reset_less=True)
        filled = Cat(buffer, self.fetched)[config.word_bits :]
        legal = legal_opcode(filled[:4], config, checked=checked, busy=busy)

        def go_on(state: str) -> None:
            m.next = state
            m.d.sync += [fetching.eq(state == "FETCH"), preparing.eq(state in ("WEIGHTS", "READY"))]
            m.d.sync += handing.eq(state == "CONSTANT")

        with m.FSM():
            with m.State("FETCH"):
                m.d.sync += clocks.eq(timing.fetch(config) - 1)
                with m.If(self.read_free):
                    m.d.sync += counter.eq(counter + 1)
                    go_on("WAIT")

            with m.State("WAIT"):
                m.d.sync += clocks.eq(clocks - 1)
                with m.If(clocks == 0):
                    m.d.sync += [buffer.eq(filled), part.eq(part + 1), illegal.eq(~legal)]
                    go_on("FETCH")
                    words = Mux(in_constants, constant_words(config), instruction_words(config))
                    with m.If(part == words - 1):
                        m.d.sync += part.eq(0)
                        go_on("DECODE")
                        with m.If(in_constants):
                            go_on("CONSTANT")
                    with m.If(self.overdue):
                        m.d.sync += error.eq(Error.OVERDUE)
                        go_on("ERROR")

            with m.State("DECODE"):
                m.d.sync += weights_left.eq(config.weight_words)
                go_on("FETCH")
                with m.Switch(buffer[:4]):
                    with m.Case(Opcode.HEADER):
                        go_on("CHECK")

                    with m.Case(Opcode.CONSTANTS):
                        m.d.sync += [in_constants.eq(1), constants_left.eq(view(CONSTANTS).count)]
                        if config.table:
                            of_table = view(CONSTANTS).table
                            m.d.sync += in_table.eq(of_table)
                            m.d.sync += [constant_restart.eq(~of_table), table_restart.eq(of_table)]
                        else:
                            m.d.sync += constant_restart.eq(1)

                    with m.Case(Opcode.INPUT):
                        go_on("DECODE")
                        with m.If(quiet):
                            go_on("BEGIN")

                    with m.Case(Opcode.OPERAND):
                        m.d.sync += take_operand.eq(quiet)
                        with m.If(~quiet):
                            go_on("DECODE")

                    with m.Case(Opcode.RESULT):
                        m.d.sync += take_result.eq(1)

                    if config.circular:
                        with m.Case(Opcode.VIEW):
                            m.d.sync += take_view.eq(1)

                    with m.Case(Opcode.TILE):
                        waits = self.last_pass | self.pending
                        m.d.sync += take_tile.eq(~waits)
                        with m.If(waits):
                            go_on("DECODE")

                    with m.Case(Opcode.PASS):
                        # A last pass is behind a TILE, so all logits of the tile before are out, and counted.
                        go_on("READY")
                        with m.If(view(PASS).weights):
                            go_on("WEIGHTS")
                        with m.If(held & view(PASS).last):
                            go_on("DECODE")

                    if config.strip_loops:
                        with m.Case(Opcode.STRIP):
                            m.d.sync += take_strip.eq(1)

                        with m.Case(Opcode.LOOP):
                            loop = view(LOOP)
                            with m.If(loops != loop.count):
                                m.d.sync += loops.eq(loops + 1)
                                go_on("JUMP")
                            with m.Else():
                                m.d.sync += loops.eq(0)

                    with m.Case(Opcode.END):
                        with m.If(quiet):
                            m.d.sync += busy.eq(0)
                            go_on("JUMP")
                        with m.Else():
                            go_on("DECODE")

                with m.If(illegal):
                    m.d.sync += error.eq(Error.OPCODE)
                    go_on("ERROR")

            with m.State("CHECK"):
                m.d.sync += [error.eq(check.error), checked.eq(1)]
                go_on("FETCH")
                with m.If(check.error != Error.NONE):
                    go_on("ERROR")

            with m.State("JUMP"):
                # ``LOOP`` and ``END`` have their target in the same place.
                m.d.sync += counter.eq(view(END).target)
                go_on("FETCH")

            with m.State("CONSTANT"):
                m.d.sync += constants_left.eq(constants_left - 1)
                go_on("FETCH")
                with m.If(constants_left == 1):
                    m.d.sync += in_constants.eq(0)

            with m.State("BEGIN"):
                m.d.sync += starts.eq(1)
                go_on("IMAGE")

            with m.State("IMAGE"):
                with m.If(~self.input_busy & ~starts):
                    with m.If(cluster == config.clusters - 1):
                        m.d.sync += [busy.eq(1), cluster.eq(0)]
                        go_on("FETCH")
                    with m.Else():
                        m.d.sync += cluster.eq(cluster + 1)
                        go_on("BEGIN")

            with m.State("WEIGHTS"):
                m.d.comb += [
                    self.load.eq(self.read_free & self.pass_idle),
                    self.load_begins.eq(self.load & (weights_left == config.weight_words)),
                ]
                with m.If(self.load):
                    m.d.sync += [counter.eq(counter + 1), weights_left.eq(weights_left - 1)]
                    with m.If(weights_left == 1):
                        m.d.comb += self.pass_start.eq(1)
                        go_on("FETCH")

            with m.State("READY"):
                with m.If(self.pass_idle):
                    m.d.comb += self.pass_start.eq(1)
                    go_on("FETCH")

            with m.State("ERROR"):
                m.d.sync += busy.eq(0)

        return m

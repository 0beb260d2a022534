"""Operand addresses of a pass, one a clock, without multipliers or line buffers."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.program import COORDINATE_BITS, OPERAND, PASS, RESULT


class AddressGenerator(wiring.Component):
    """Walks over the output pixels of a strip and gives each one's operand address.

    From an operand to the next it is ``x_step`` words, from the last one of a row to the next row's first
    ``row_step`` (either way), so one adder keeps the address; beside it are the
    operand's coordinates in the input map, which say whether it lies outside. A window's tap and channel
    group are in the pass's base, so a convolution needs neither a copy of the map nor a line buffer.

    With ``circular`` a walk may go on at the other end of the map: the comparison that finds an operand outside then
    finds one behind which the map ends. ``row_step`` leads from the first operand of a row to the next row's.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    operand, result : :data:`~hw.systolic.program.OPERAND`, :data:`~hw.systolic.program.RESULT`, in
        Constant during a layer.
    wrapping, x_wrap, y_wrap : in; see :data:`~hw.systolic.program.VIEW`; constant during a layer
    prepare, instruction, base, y : in
        Take the pass ``instruction`` (:data:`~hw.systolic.program.PASS`), which begins at the word ``base`` and the
        input row ``y``; only while not ``active``. The registers are wide and many, ``start`` comes late in its clock.
    start : in
        Begin the pass taken in this clock or before.
    go : in
        The memory's read port is free (for a ``last`` slot: everything it will need later is free too).
    slot : out
        A slot is issued in this clock, with its ``address`` and ``outside`` (of the map); ``pixel0``: it is
        the pass's first, ``first``/``last``/``low``/``shift_sums``: flags of its pass.
    next_is_last : out; a slot of the next clock would be one of a last pass
    active, last_pass : out
        A pass is running, and no other may begin, nor its weights be read; it is a last one.

    Latency
    -------
    The first slot can be issued one clock after ``start``; then one a clock while ``go`` is high.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "operand": In(OPERAND),
                "result": In(RESULT),
                "wrapping": In(1),
                "x_wrap": In(config.address_bits),
                "y_wrap": In(config.address_bits),
                "prepare": In(1),
                "start": In(1),
                "instruction": In(PASS),
                "base": In(config.address_bits),
                "y": In(signed(COORDINATE_BITS)),
                "go": In(1),
                "slot": Out(1),
                "address": Out(config.address_bits),
                "outside": Out(1),
                "pixel0": Out(1),
                "first": Out(1),
                "low": Out(1),
                "shift_sums": Out(1),
                "last": Out(1),
                "next_is_last": Out(1),
                "active": Out(1),
                "last_pass": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer = self.operand
        active = Signal()
        address = Signal(self.config.address_bits, reset_less=True)
        x = Signal(self.config.coordinate_bits, reset_less=True)
        row_x = Signal(self.config.coordinate_bits, reset_less=True)
        y = Signal(self.config.coordinate_bits, reset_less=True)
        columns = Signal(self.config.coordinate_bits, reset_less=True)
        rows = Signal(self.config.coordinate_bits, reset_less=True)
        first = Signal(reset_less=True)
        low = Signal(reset_less=True)
        shift_sums = Signal(reset_less=True)
        last = Signal(reset_less=True)
        pixel0 = Signal(reset_less=True)

        # Whether the next slot is the last one of its row, and in the last row: known a clock before.
        row_ends = Signal(reset_less=True)
        last_row = Signal(reset_less=True)
        ends = Signal()
        # A negative coordinate is a large unsigned number.
        beyond_x = Signal()
        beyond_y = Signal()
        next_address = Signal(self.config.address_bits)
        next_x = Signal.like(x)
        next_y = Signal.like(y)
        m.d.comb += [
            next_x.eq(x + layer.stride_x),
            next_y.eq(y + layer.stride_y),
        ]
        outside: Value = beyond_x | beyond_y
        if self.config.circular:
            # The comparison is a clock ahead, as a step and an address come behind it.
            row_beyond = Signal(reset_less=True)
            start_x = Signal.like(x)
            start_y = Signal.like(y)
            starts_beyond = start_x >= self.result.width
            m.d.comb += [start_x.eq(self.instruction.x), start_y.eq(self.y)]
            with m.If(self.slot):
                m.d.sync += beyond_x.eq(Mux(row_ends, row_beyond, next_x >= self.result.width))
                with m.If(row_ends):
                    m.d.sync += beyond_y.eq(next_y >= self.result.height)
            with m.If(self.prepare):
                m.d.sync += [
                    beyond_x.eq(starts_beyond),
                    row_beyond.eq(starts_beyond),
                    beyond_y.eq(start_y >= self.result.height),
                ]
            row_address = Signal.like(address, reset_less=True)
            wraps_x, wraps_y = self.wrapping & beyond_x, self.wrapping & beyond_y
            x_step = Mux(wraps_x, self.x_wrap, layer.x_step)
            y_step = Mux(wraps_y, self.y_wrap, layer.row_step)
            outside = outside & ~self.wrapping
            m.d.comb += next_address.eq(Mux(row_ends, row_address, address) + Mux(row_ends, y_step, x_step))
            with m.If(wraps_x):
                m.d.comb += next_x.eq(x - self.result.width)
            with m.If(wraps_y):
                m.d.comb += next_y.eq(y - self.result.height)
            with m.If(self.slot & row_ends):
                m.d.sync += row_address.eq(next_address)
            with m.If(self.prepare):
                m.d.sync += row_address.eq(self.base)
        else:
            m.d.comb += [beyond_x.eq(x >= self.result.width), beyond_y.eq(y >= self.result.height)]
            m.d.comb += next_address.eq(address + Mux(row_ends, layer.row_step, layer.x_step))
        m.d.comb += [
            self.slot.eq(active & self.go),
            ends.eq(self.slot & row_ends & last_row),
            self.address.eq(address),
            self.outside.eq(outside),
            self.first.eq(first),
            self.low.eq(low),
            self.shift_sums.eq(shift_sums),
            self.last.eq(last),
            self.next_is_last.eq(Mux(self.prepare, self.instruction.last, last)),
            self.pixel0.eq(pixel0),
            self.active.eq(active),
            self.last_pass.eq(active & last),
        ]
        with m.If(self.slot):
            m.d.sync += [pixel0.eq(0), address.eq(next_address)]
            with m.If(row_ends):
                m.d.sync += [
                    columns.eq(layer.cols),
                    row_ends.eq(layer.cols == 1),
                    rows.eq(rows - 1),
                    last_row.eq(rows == 2),
                    x.eq(row_x),
                    y.eq(next_y),
                ]
            with m.Else():
                m.d.sync += [
                    columns.eq(columns - 1),
                    row_ends.eq(columns == 2),
                    x.eq(next_x),
                ]
        with m.If(ends):
            m.d.sync += active.eq(0)
        with m.If(self.prepare):
            m.d.sync += [
                address.eq(self.base),
                x.eq(self.instruction.x),
                row_x.eq(self.instruction.x),
                y.eq(self.y),
                columns.eq(layer.cols),
                row_ends.eq(layer.cols == 1),
                rows.eq(layer.rows),
                last_row.eq(layer.rows == 1),
                first.eq(self.instruction.first),
                last.eq(self.instruction.last),
                pixel0.eq(1),
            ]
            if self.config.image_planes == 2:
                m.d.sync += [low.eq(self.instruction.low), shift_sums.eq(self.instruction.shift_sums)]
        with m.If(self.start):
            m.d.sync += active.eq(1)
        return m

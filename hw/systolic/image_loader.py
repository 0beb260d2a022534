"""Image stream in, memory words out."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.delay import delayed
from hw.systolic.program import INPUT, TWO_PLANES


class _Part(enum.Enum):
    LEFT = 0
    BODY = 1
    RIGHT = 2


class ImageLoader(wiring.Component):
    """Packs a sliding window of pixels of a row into each word.

    Activations enter the highest lane and move down, so that after a pixel the highest ``window * channels``
    lanes are the last ``window`` pixels. Every ``step`` pixels they make a word. This puts the horizontal taps
    of a first layer with few channels into the rows of the array, which would otherwise be idle. The pixels
    left and right of the map are made here. Of an image in two planes every second row is padded with 0.

    While ``raw`` is high, the stream fills memory from address 0 on, ``rows`` lanes a word: this is how
    programs and weights arrive.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    raw : in
    start : in; fields : :data:`~hw.systolic.program.INPUT`, in, constant while ``busy``
    image : stream of unsigned(activation_bits), in
        Rows top to bottom, pixels left to right, channels innermost.
    result, result_valid : in
        A word of results that ``write_data`` shows in the next clock (``shares_word``); not while an image or a
        program comes.
    busy : out
    lane_valid, lane : out
        An activation or a lane of a program was taken, ``lane_late`` clocks ago; added pixels too.
    write_enable, write_address, write_data : out
        A word to write; with ``shares_word`` the data come a clock behind enable and address.

    Latency
    -------
    One clock an activation (two with ``shares_word``), those of the added pixels included; ``model`` gives the words,
    ``cycles`` the clocks from ``start`` to the end of ``busy`` when the stream never waits.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "raw": In(1),
                "start": In(1),
                "fields": In(INPUT),
                "image": In(stream.Signature(config.activation_bits)),
                "result": In(config.word_bits),
                "result_valid": In(1),
                "busy": Out(1),
                "lane_valid": Out(1),
                "lane": Out(config.activation_bits),
                "write_enable": Out(1),
                "write_address": Out(max(config.address_bits, config.program_bits)),
                "write_data": Out(config.word_bits),
            }
        )

    @property
    def lane_late(self) -> int:
        """Clocks from taking an activation to ``lane_valid``."""
        return int(self.config.shares_word or self.config.registered_ram)

    def model(self, image: np.ndarray, fields: dict[str, int]) -> np.ndarray:
        """Return the used lanes of the words for an image (height, width, channels).

        They are the highest lanes, integers (words, window * channels); what is in the others is left over from before.
        """
        window, step, channels = fields["window"], fields["step"], fields["channels"] + 1
        edge = (fields["pad_left"], fields["pad_right"])
        two_planes = self.config.image_planes == 2 and fields["zero_point"] & TWO_PLANES
        border = padding_value(fields["zero_point"] & ~TWO_PLANES if two_planes else fields["zero_point"])
        words = []
        for y, row in enumerate(image.reshape(fields["height"], fields["width"], channels)):
            value = 0 if two_planes and y % 2 else border
            padded = np.pad(row, (edge, (0, 0)), constant_values=value)
            words += [padded[x : x + window].ravel() for x in range(0, len(padded) - window + 1, step)]
        return np.array(words)

    def cycles(self, fields: dict[str, int]) -> int:
        """Return the clocks ``busy`` is high."""
        row = fields["pad_left"] + fields["width"] + fields["pad_right"]
        return (1 + self.config.shares_word) * row * fields["height"] * (fields["channels"] + 1) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, fields = self.config, self.fields
        a = config.activation_bits
        width, height = fields.width[: config.coordinate_bits], fields.height[: config.coordinate_bits]
        lanes = Signal(config.word_bits, reset_less=True)
        running = Signal()
        emit = Signal()
        part = Signal(_Part, init=_Part.BODY)
        left = Signal(config.coordinate_bits, reset_less=True)
        channel = Signal(4, reset_less=True)
        due = Signal(max(4, config.rows.bit_length()), init=config.rows)
        rows = Signal(config.coordinate_bits, reset_less=True)
        address = Signal.like(self.write_address)
        # Whether the next activation is its pixel's last one, the next pixel its part's, the next row the image's, and
        # whether the next pixel makes a word: known before it comes.
        pixel_ends, part_ends, last_row = (
            Signal(name=name, reset_less=True) for name in ("pixel_ends", "part_ends", "last_row")
        )
        word_ends = Signal()
        ends = [(channel, pixel_ends, 0), (left, part_ends, 1), (due, word_ends, 1), (rows, last_row, 1)]

        def load(counter: Signal, value: Value) -> None:
            m.d.sync += counter.eq(value)
            if not config.shares_word:
                m.d.sync += [flag.eq(value == last) for its, flag, last in ends if its is counter]

        def count(counter: Signal) -> None:
            m.d.sync += counter.eq(counter - 1)
            if not config.shares_word:
                m.d.sync += [flag.eq(counter == last + 1) for its, flag, last in ends if its is counter]

        if config.shares_word:
            # No two clocks in a row count, so one is there to compare in.
            m.d.sync += [flag.eq(counter == last) for counter, flag, last in ends]

        inside = Signal()
        shift = Signal()
        counted, last = Signal(), Signal(a, reset_less=True)
        row_ends = Signal()
        next_part = Signal(_Part)
        next_left = Signal(config.coordinate_bits)
        border = Signal(a)
        m.d.comb += [
            inside.eq(part == _Part.BODY),
            self.image.ready.eq((running | self.raw) & inside & ~counted),
            shift.eq((self.image.valid & self.image.ready) | (running & ~inside & ~counted)),
            border.eq((1 << fields.zero_point) >> 1),
        ]
        low_row = Signal()
        if config.image_planes == 2:
            m.d.comb += border.eq(Mux(low_row, 0, (1 << fields.zero_point[:3]) >> 1))
        # Parts of no pixels are skipped.
        first_part = Mux(fields.pad_left == 0, _Part.BODY, _Part.LEFT)
        first_left = Mux(fields.pad_left == 0, width, fields.pad_left)
        with m.Switch(part):
            with m.Case(_Part.LEFT):
                m.d.comb += [next_part.eq(_Part.BODY), next_left.eq(width)]
            with m.Case(_Part.BODY):
                m.d.comb += [
                    next_part.eq(Mux(fields.pad_right == 0, first_part, _Part.RIGHT)),
                    next_left.eq(Mux(fields.pad_right == 0, first_left, fields.pad_right)),
                    row_ends.eq(fields.pad_right == 0),
                ]
            with m.Default():
                m.d.comb += [next_part.eq(first_part), next_left.eq(first_left), row_ends.eq(1)]

        # What is taken in one clock is counted in the next (``shares_word``).
        raw = delayed(m, self.raw, int(config.shares_word), "raw")
        step = Mux(raw, config.rows, fields.step)
        late = int(config.shares_word)
        then_part, then_left, then_row_ends = (
            delayed(m, value, late, name)
            for value, name in ((next_part, "next_part"), (next_left, "next_left"), (row_ends, "row_ends"))
        )
        activation = Mux(inside, self.image.payload, border)
        if config.shares_word:
            m.d.comb += [self.lane_valid.eq(counted), self.lane.eq(last)]
        else:
            m.d.comb += [
                self.lane_valid.eq(delayed(m, shift, self.lane_late, "lane_valid", reset_less=False)),
                self.lane.eq(delayed(m, activation, self.lane_late, "lane")),
            ]
        counts: Value = shift
        if config.shares_word:
            m.d.sync += [counted.eq(shift), last.eq(activation)]
            counts = counted
            with m.If(counted | self.result_valid):
                m.d.sync += lanes.eq(Mux(counted, Cat(lanes[a:], last), self.result))
        else:
            with m.If(shift):
                m.d.sync += lanes.eq(Cat(lanes[a:], activation))
        m.d.sync += emit.eq(0)
        with m.If(counts):
            count(channel)
            with m.If(raw | pixel_ends):
                load(channel, fields.channels)
                count(due)
                count(left)
                with m.If(word_ends):
                    m.d.sync += emit.eq(1)
                    load(due, step)
                with m.If(part_ends & ~raw):
                    m.d.sync += part.eq(then_part)
                    load(left, then_left)
                    with m.If(then_row_ends):
                        load(due, fields.window)
                        count(rows)
                        if config.image_planes == 2:
                            m.d.sync += low_row.eq(~low_row & fields.zero_point[3])
                        with m.If(last_row):
                            m.d.sync += running.eq(0)
        with m.If(emit):
            m.d.sync += address.eq(address + 1)
        with m.If(self.start):
            m.d.sync += [running.eq(1), low_row.eq(0), part.eq(first_part), address.eq(fields.address)]
            load(left, first_left)
            load(channel, fields.channels)
            load(due, fields.window)
            load(rows, height)
        m.d.comb += [
            self.busy.eq(running | emit),
            self.write_enable.eq(emit),
            self.write_address.eq(address),
            self.write_data.eq(lanes),
        ]
        return m


def padding_value(zero_point_field: int) -> int:
    """Return the value of an added pixel for the field ``zero_point`` of ``INPUT``."""
    return (1 << zero_point_field) >> 1

"""The engine's main memory, block RAM or UP5K SPRAM, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amaranth import Cat, Const, Instance, Module, Mux, Signal
from amaranth.hdl import ClockSignal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

NO_COLLISION = {"no_rw_check": 1}
"""Attribute of a memory that is never read and written at one address in one clock: spares the logic that
would otherwise make up for the block RAM's undefined value."""

SPRAM_DEPTH = 16384
SPRAM_WIDTH = 16


class MainMemory(wiring.Component):
    """One read and one write of a word a clock (``single_port``: one of the two).

    Address and data are registered on the way in, read data (``registered``) on the way out, so that nothing but
    a flip-flop is on either side of a slow RAM.

    Parameters
    ----------
    word_bits, depth, lane_bits : int
        Width of a word, number of words, and the granularity of writes in bits.
    single_port : bool
        Built from four UP5K ``SB_SPRAM256KA`` (64-bit words, 16,384 deep). A write has the port; the
        schedule of the engine never asks for both in one clock.
    registered : bool
        Whether a register follows the RAM.
    column_bits : int or None
        The word is cut into memories of at most this width, so that each is as deep as one block RAM and no selection
        lies between RAM and register; see :func:`ecp5_column_bits`. ``None`` leaves it to the synthesis.
    init : sequence of int
        First words after configuration (block RAM only).
    late_data : bool
        ``write_data`` comes from a register, which is spared here, a clock behind the rest of the write.

    Ports
    -----
    read_address : in, at clock 0
    read_data : ``word_bits``, out, at clock 3, or 2 if not ``registered``
    write_enable, write_address, write_mask, write_data : in, at clock 0 (``write_data`` at clock 1 if ``late_data``)
        A write of clock 0 is seen by a read of clock 1 or later.
    """

    def __init__(
        self,
        word_bits: int,
        depth: int,
        lane_bits: int,
        *,
        single_port: bool,
        registered: bool = True,
        column_bits: int | None = None,
        init: Sequence[int] = (),
        late_data: bool = False,
    ) -> None:
        if word_bits % lane_bits:
            raise ValueError(f"a word of {word_bits} bits has no whole number of {lane_bits}-bit lanes")
        if single_port and (word_bits != 4 * SPRAM_WIDTH or depth > SPRAM_DEPTH or lane_bits % 4):
            raise ValueError(
                f"SPRAM is {SPRAM_DEPTH} words of {4 * SPRAM_WIDTH} bits with 4-bit masks, "
                f"asked for {depth} x {word_bits} with {lane_bits}-bit masks"
            )
        if single_port and init:
            raise ValueError("SPRAM cannot be initialised by the bitstream")
        self.word_bits = word_bits
        self.depth = depth
        self.lane_bits = lane_bits
        self.single_port = single_port
        self.registered = registered
        self.column_bits = column_bits or word_bits
        self.init = init
        self.late_data = late_data
        super().__init__(
            {
                "read_address": In(range(depth)),
                "read_data": Out(word_bits),
                "write_enable": In(1),
                "write_address": In(range(depth)),
                "write_data": In(word_bits),
                "write_mask": In(word_bits // lane_bits),
            }
        )

    def cycles(self) -> int:
        """Return the clocks from ``read_address`` to ``read_data``."""
        return 3 if self.registered else 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        enable = Signal()
        data = Signal(self.word_bits, reset_less=True)
        mask = Signal(self.word_bits // self.lane_bits, reset_less=True)
        out = Signal(self.word_bits)
        m.d.sync += [enable.eq(self.write_enable), mask.eq(self.write_mask)]
        if self.late_data:
            m.d.comb += data.eq(self.write_data)
        else:
            m.d.sync += data.eq(self.write_data)
        if self.registered:
            fetched = Signal(self.word_bits, reset_less=True)
            m.d.sync += fetched.eq(out)
            m.d.comb += self.read_data.eq(fetched)
        else:
            m.d.comb += self.read_data.eq(out)
        if self.single_port:
            address = Signal(14, reset_less=True)
            m.d.sync += address.eq(Mux(self.write_enable, self.write_address, self.read_address))
            nibbles = Cat(*(bit.replicate(self.lane_bits // 4) for bit in mask))
            for i in range(4):
                m.submodules[f"spram{i}"] = Instance(
                    "SB_SPRAM256KA",
                    i_ADDRESS=address,
                    i_DATAIN=data.word_select(i, SPRAM_WIDTH),
                    i_MASKWREN=nibbles.word_select(i, 4),
                    i_WREN=enable,
                    i_CHIPSELECT=Const(1),
                    i_CLOCK=ClockSignal(),
                    i_STANDBY=Const(0),
                    i_SLEEP=Const(0),
                    i_POWEROFF=Const(1),  # active low
                    o_DATAOUT=out.word_select(i, SPRAM_WIDTH),
                )
        else:
            read_address = Signal(range(self.depth), reset_less=True)
            write_address = Signal(range(self.depth), reset_less=True)
            m.d.sync += [read_address.eq(self.read_address), write_address.eq(self.write_address)]
            for start, size in self._columns():
                # Whole lanes, or a part of one.
                lane, lanes = start // self.lane_bits, max(1, size // self.lane_bits)
                words = [word >> start & (1 << size) - 1 for word in self.init]
                ram = Memory(shape=size, depth=self.depth, init=words, attrs=NO_COLLISION)
                m.submodules[f"ram{start}"] = ram
                read = ram.read_port()
                write = ram.write_port(granularity=size // lanes)
                m.d.comb += [
                    read.addr.eq(read_address),
                    write.addr.eq(write_address),
                    write.data.eq(data[start : start + size]),
                    write.en.eq(Mux(enable, mask[lane : lane + lanes], 0)),
                    out[start : start + size].eq(read.data),
                ]
        return m

    def _columns(self) -> Iterator[tuple[int, int]]:
        """Yield (lowest bit, bits) of every memory."""
        return memory_columns(self.word_bits, self.lane_bits, self.column_bits)


def memory_columns(word_bits: int, lane_bits: int, column_bits: int) -> Iterator[tuple[int, int]]:
    """Yield (lowest bit, bits) of the memories that make a word, each of whole lanes or a part of one."""
    lanes = max(1, min(column_bits, word_bits) // lane_bits)
    for start in range(0, word_bits, lanes * lane_bits):
        size = min(lanes * lane_bits, word_bits - start)
        part = min(size, column_bits)
        for at in range(0, size, part):
            yield start + at, min(part, size - at)


def ecp5_column_bits(depth: int) -> int:
    """Return the width in which an ECP5 block RAM is ``depth`` words deep; the ninth bit of a byte is not used."""
    shapes = ((512, 32), (1024, 16), (2048, 8), (4096, 4), (8192, 2))
    return next((width for deep, width in shapes if depth <= deep), 1)


def ecp5_block_rams(word_bits: int, lane_bits: int, depth: int) -> int:
    """Return the block RAMs of a :class:`MainMemory` on an ECP5.

    They write bytes, so a lane below 8 bits takes as much as one of 8.
    """
    width = ecp5_column_bits(depth)
    enables = max(1, width // 8)
    columns = (max(1, size // lane_bits) for _, size in memory_columns(word_bits, lane_bits, width))
    return sum(-(-lanes // enables) for lanes in columns) * (1 if width > 1 else -(-depth // 16384))

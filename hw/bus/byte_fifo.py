"""Bytes that wait in block RAM."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.memory.main_memory import NO_COLLISION

BLOCKS = 16
"""Whether there is room is known by sixteenths of the depth."""


class ByteFifo(wiring.Component):
    """A queue of bytes.

    Parameters
    ----------
    depth : int
        Bytes of its memory, a power of two from 32; a sixteenth may stay empty.
    registered : bool
        Whether a register follows the memory's output.
    bursts : bool
        Every byte is stored, ready or not: for a writer that looks once before it writes up to a sixteenth of the
        depth.

    Ports
    -----
    i : stream of 8 bits, in
    o : stream of 8 bits, out

    Latency
    -------
    Three clocks from a byte into an empty queue to its offer, and from a byte taken to the next one's.

    Raises
    ------
    ValueError
        If the depth is no power of two, or too small.
    """

    def __init__(self, depth: int, *, registered: bool = False, bursts: bool = False) -> None:
        if depth < 2 * BLOCKS or depth & (depth - 1):
            raise ValueError(f"a queue of bytes needs a depth that is a power of two from {2 * BLOCKS}, got {depth}")
        self.depth = depth
        self.registered = registered
        self.bursts = bursts
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    @property
    def capacity(self) -> int:
        """Bytes that fit in any case."""
        return self.depth - self.depth // BLOCKS

    def cycles(self) -> int:
        """Return the clocks from a byte in to its offer."""
        return 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[], attrs=NO_COLLISION)
        write, read = memory.write_port(), memory.read_port()
        into, out = Signal(range(self.depth)), Signal(range(self.depth))
        stored, ready, offered = Signal(), Signal(init=1), Signal()
        block = (self.depth // BLOCKS - 1).bit_length()
        ahead = Signal(range(BLOCKS))
        taken = Signal()
        m.d.comb += [
            ahead.eq(into[block:] + 1),
            stored.eq(self.i.valid if self.bursts else self.i.valid & ready),
            taken.eq(self.o.valid & self.o.ready),
            write.addr.eq(into),
            write.data.eq(self.i.payload),
            write.en.eq(stored),
            read.addr.eq(out),
            self.i.ready.eq(ready),
            self.o.valid.eq(offered),
            self.o.payload.eq(read.data),
        ]
        # A clock late: a block has two bytes at least.
        m.d.sync += ready.eq(ahead != out[block:])
        with m.If(stored):
            m.d.sync += into.eq(into + 1)
        with m.If(taken):
            m.d.sync += out.eq(out + 1)
        # The comparison is long, and who takes the bytes may be far away.
        some = Signal()
        m.d.sync += [some.eq((into != out) & ~taken), offered.eq(some & ~taken)]
        if self.registered:
            # Block RAM answers late in a clock.
            payload = Signal(8, reset_less=True)
            m.d.sync += payload.eq(read.data)
            m.d.comb += self.o.payload.eq(payload)
        return m

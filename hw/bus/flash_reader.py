"""Bytes from an SPI flash after power-up."""

from __future__ import annotations

from amaranth import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

READ = 0x03
"""Command of every SPI flash, followed by an address of 24 bits: read on and on."""

COMMAND_BYTES = 4
CLOCKS_A_BIT = 4


class FlashReader(wiring.Component):
    """Reads a flash from one address on until it is told to stop, or has read as much as there can be.

    A flash whose first byte there is another than expected holds nothing for it, and is left alone at once.

    SPI mode 0. ``sclk`` runs at a quarter of the clock and stands still while a byte waits to be taken.

    Parameters
    ----------
    address : int
        First byte, 24 bits.
    begins : int
        What the first byte must be.
    limit_bits : int
        It gives up after ``2^limit_bits`` bytes.

    Ports
    -----
    cs_n, sclk, copi : out; cipo : in
        To the flash.
    o : stream of 8 bits, out
    stop : in
        High: what was wanted has been read; may come at any time.
    done : out
        High: the flash is left alone, for ever.

    Latency
    -------
    32 clocks a byte, and 128 for the command; a byte is valid in the clock after its last bit was taken.

    Raises
    ------
    ValueError
        If the address has more than 24 bits, or the limit is not 3 to 24 bits.
    """

    def __init__(self, address: int, begins: int, limit_bits: int = 18) -> None:
        if not 0 <= address < 1 << 24:
            raise ValueError(f"a flash address has 24 bits, got {address:#x}")
        if not 3 <= limit_bits <= 24:
            raise ValueError(f"limit_bits must be 3..24, got {limit_bits}")
        self.address = address
        self.begins = begins
        self.limit_bits = limit_bits
        super().__init__(
            {
                "cs_n": Out(1, init=1),
                "sclk": Out(1),
                "copi": Out(1),
                "cipo": In(1),
                "o": Out(stream.Signature(8)),
                "stop": In(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # From the lowest bit: clock of a bit, bit of a byte, byte. Its top bit says that it is over.
        count = Signal(2 + 3 + self.limit_bits + 1)
        over = Signal()
        data = Signal()
        shift = Signal(8, reset_less=True)
        valid = Signal()
        selected = Signal()
        known = Signal()
        m.d.comb += [
            over.eq(count[-1]),
            self.cs_n.eq(~selected),
            self.sclk.eq(count[1]),
            self.copi.eq(~data & (Const(_reversed(READ << 24 | self.address), 32) >> count[2:7])[0]),
            self.o.payload.eq(shift),
            self.o.valid.eq(valid),
            self.done.eq(over),
        ]
        m.d.sync += selected.eq(~over)
        with m.If(valid):
            with m.If(self.o.ready):
                m.d.sync += valid.eq(0)
        with m.Elif(selected & ~over):
            m.d.sync += count.eq(count + 1)
            with m.If(count[:2] == 1):
                m.d.sync += shift.eq((shift << 1) | self.cipo)
            with m.If(count[:5] == 31):
                m.d.sync += [valid.eq(data), data.eq(data | (count[5:7] == COMMAND_BYTES - 1))]
                with m.If(data):
                    m.d.sync += known.eq(1)
                with m.If(data & ~known & (shift != self.begins)):
                    m.d.sync += [count[-1].eq(1), valid.eq(0)]
        with m.If(self.stop):
            m.d.sync += [count[-1].eq(1), valid.eq(0)]
        return m


def _reversed(word: int) -> int:
    """Return 32 bits the other way round: the first one to be sent lowest."""
    return int(f"{word:032b}"[::-1], 2)

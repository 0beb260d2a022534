"""Wishbone B4 in front of registers."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.bus_engine import REGISTER_ACCESS
from hw.bus.register_file import ADDRESS_BITS

WISHBONE = wiring.Signature(
    {
        "adr": Out(ADDRESS_BITS), "dat_w": Out(32), "dat_r": In(32), "we": Out(1), "sel": Out(4),
        "cyc": Out(1), "stb": Out(1), "ack": In(1), "err": In(1), "stall": In(1),
    }
)  # fmt: skip
"""A port of 32 bits and word addresses, from the master's side; ``stall`` is for pipelined masters, and always low."""


class WishboneSlave(wiring.Component):
    """Makes accesses to registers of those to a Wishbone port.

    An access that hits no register, writes to one that cannot be written, or reads one that cannot be read, has no
    effect and is answered with ``err``.

    Parameters
    ----------
    pipelined : bool
        Every clock of ``stb`` is an access, answered in the next clock; ``False``: a classic port, whose master holds
        ``stb`` until the answer.

    Ports
    -----
    bus : :data:`WISHBONE`, in
    registers : :data:`~hw.bus.bus_engine.REGISTER_ACCESS`, out

    Latency
    -------
    A clock from ``stb`` to ``ack`` or ``err``; an access every clock if pipelined, every second one if classic.
    """

    def __init__(self, *, pipelined: bool = False) -> None:
        self.pipelined = pipelined
        super().__init__({"bus": In(WISHBONE), "registers": Out(REGISTER_ACCESS)})

    def cycles(self) -> int:
        """Return the clocks from ``stb`` to the answer."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, registers = self.bus, self.registers
        access, good, bad, answers = (Signal(name=name) for name in ("access", "good", "bad", "answers"))
        asks = bus.cyc & bus.stb
        if self.pipelined:
            m.d.comb += [access.eq(asks), answers.eq(bus.cyc)]
        else:
            # A master that gives up in the clock of the answer gets none.
            m.d.comb += [access.eq(asks & ~good & ~bad), answers.eq(asks)]
        m.d.comb += [
            registers.write.eq(access & bus.we),
            registers.write_address.eq(bus.adr),
            registers.write_data.eq(bus.dat_w),
            registers.write_mask.eq(bus.sel),
            registers.read.eq(access & ~bus.we),
            registers.read_address.eq(bus.adr),
            bus.dat_r.eq(registers.read_data),
            bus.ack.eq(good & answers),
            bus.err.eq(bad & answers),
        ]
        allowed = (bus.we & registers.writable) | (~bus.we & registers.readable)
        m.d.sync += [good.eq(access & allowed), bad.eq(access & ~allowed)]
        return m

"""AXI4-Lite in front of registers."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.bus_engine import REGISTER_ACCESS

AXI_ADDRESS_BITS = 12


class Response(enum.Enum, shape=2):  # type: ignore[call-arg]
    """Of an access."""

    OKAY = 0
    SLVERR = 2


AXI_LITE = wiring.Signature(
    {
        "awaddr": Out(AXI_ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "araddr": Out(AXI_ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
        "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
    }
)  # fmt: skip
"""The five channels, from the manager's side."""


class AxiLiteSlave(wiring.Component):
    """Makes accesses to registers of those to an AXI4-Lite port.

    Address and data of a write come in any order. An access that hits no register, writes to one that cannot be
    written, reads one that cannot be read, or whose address is no multiple of 4, has no effect and is answered
    ``SLVERR``. ``awprot`` and ``arprot`` are ignored. No output depends on an input of the same clock.

    Ports
    -----
    bus : :data:`AXI_LITE`, in
    registers : :data:`~hw.bus.bus_engine.REGISTER_ACCESS`, out

    Latency
    -------
    Two clocks from the address (and data) to the answer; a read or write every second clock.
    """

    def __init__(self) -> None:
        super().__init__({"bus": In(AXI_LITE), "registers": Out(REGISTER_ACCESS)})

    def cycles(self) -> int:
        """Return the clocks from the address to the answer."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, registers = self.bus, self.registers
        address = Signal(AXI_ADDRESS_BITS)
        data = Signal(32)
        mask = Signal(4)
        have_address, have_data = Signal(name="have_address"), Signal(name="have_data")
        writes, write_good = Signal(name="writes"), Signal(name="write_good")
        m.d.comb += [
            bus.awready.eq(~have_address),
            bus.wready.eq(~have_data),
            writes.eq(have_address & have_data & (~bus.bvalid | bus.bready)),
            write_good.eq((address[:2] == 0) & registers.writable),
            registers.write.eq(writes & write_good),
            registers.write_address.eq(address[2:]),
            registers.write_data.eq(data),
            registers.write_mask.eq(mask),
        ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(writes):
            m.d.sync += [
                have_address.eq(0), have_data.eq(0), bus.bvalid.eq(1),
                bus.bresp.eq(Mux(write_good, Response.OKAY, Response.SLVERR)),
            ]  # fmt: skip
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [have_address.eq(1), address.eq(bus.awaddr)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [have_data.eq(1), data.eq(bus.wdata), mask.eq(bus.wstrb)]

        read_address = Signal(AXI_ADDRESS_BITS)
        have_read = Signal()
        reads, read_good = Signal(name="reads"), Signal(name="read_good")
        m.d.comb += [
            bus.arready.eq(~have_read),
            reads.eq(have_read & (~bus.rvalid | bus.rready)),
            read_good.eq((read_address[:2] == 0) & registers.readable),
            registers.read.eq(reads & read_good),
            registers.read_address.eq(read_address[2:]),
            bus.rdata.eq(Mux(bus.rresp == Response.OKAY, registers.read_data, 0)),
        ]
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(reads):
            m.d.sync += [
                have_read.eq(0), bus.rvalid.eq(1), bus.rresp.eq(Mux(read_good, Response.OKAY, Response.SLVERR)),
            ]  # fmt: skip
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [have_read.eq(1), read_address.eq(bus.araddr)]
        return m

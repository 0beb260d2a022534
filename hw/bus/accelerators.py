"""The cores that a designer drops into a system: an engine with conventional ports."""

from __future__ import annotations

from amaranth import ClockDomain, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi_lite import AXI_ADDRESS_BITS, AxiLiteSlave
from hw.bus.axi_stream import AxiStreamMaster, AxiStreamSlave
from hw.bus.bus_engine import BusEngine
from hw.bus.register_file import ADDRESS_BITS
from hw.bus.wishbone import WishboneSlave
from hw.systolic.config import EngineConfig


class AxiAccelerator(wiring.Component):
    """An engine with registers on AXI4-Lite, data in and logits out on AXI4-Stream.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    stream_bytes : int
        Bytes of ``s_axis_tdata``: 1 or 4.

    Ports
    -----
    aclk, aresetn : in; clock of all ports, and their reset, active low and in step with ``aclk``
    s_axi_* : AXI4-Lite, the registers, 12 address bits and 32 data bits
    s_axis_* : AXI4-Stream in, programs and images
    m_axis_* : AXI4-Stream out, logits of 32 bits, TLAST with the last one of an image
    irq : out, high while an enabled event is set
    """

    def __init__(self, config: EngineConfig, stream_bytes: int = 4) -> None:
        self.config = config
        self.stream_bytes = stream_bytes
        self.engine = BusEngine(config, stream_bytes)
        self.slave = AxiStreamSlave(stream_bytes)
        super().__init__(
            {
                "aclk": In(1), "aresetn": In(1),
                "s_axi_awaddr": In(AXI_ADDRESS_BITS), "s_axi_awprot": In(3), "s_axi_awvalid": In(1),
                "s_axi_awready": Out(1),
                "s_axi_wdata": In(32), "s_axi_wstrb": In(4), "s_axi_wvalid": In(1), "s_axi_wready": Out(1),
                "s_axi_bresp": Out(2), "s_axi_bvalid": Out(1), "s_axi_bready": In(1),
                "s_axi_araddr": In(AXI_ADDRESS_BITS), "s_axi_arprot": In(3), "s_axi_arvalid": In(1),
                "s_axi_arready": Out(1),
                "s_axi_rdata": Out(32), "s_axi_rresp": Out(2), "s_axi_rvalid": Out(1), "s_axi_rready": In(1),
                "s_axis_tdata": In(8 * stream_bytes), "s_axis_tkeep": In(stream_bytes), "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1), "s_axis_tlast": In(1),
                "m_axis_tdata": Out(32), "m_axis_tvalid": Out(1), "m_axis_tready": In(1), "m_axis_tlast": Out(1),
                "irq": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain()
        sync.clk = self.aclk
        m.submodules.engine = engine = self.engine
        m.submodules.axi_lite = lite = AxiLiteSlave()
        m.submodules.axi_stream_slave = slave = self.slave
        m.submodules.axi_stream_master = master = AxiStreamMaster()
        m.d.comb += [ResetSignal().eq(~self.aresetn), self.irq.eq(engine.interrupt)]
        wiring.connect(m, lite.registers, engine.registers)
        wiring.connect(m, slave.o, engine.data)
        wiring.connect(m, engine.logits, master.i)
        for prefix, bus in (("s_axi", lite.bus), ("s_axis", slave.bus), ("m_axis", master.bus)):
            for name, member in bus.signature.members.items():
                port, inner = getattr(self, f"{prefix}_{name}"), getattr(bus, name)
                m.d.comb += inner.eq(port) if member.flow is In else port.eq(inner)
        return m


class WishboneAccelerator(wiring.Component):
    """An engine with registers and data on a Wishbone B4 port of 32 bits.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    pipelined : bool
        Whether the port is pipelined, or classic.

    Ports
    -----
    wb_clk_i, wb_rst_i : in; clock, and a reset in step with it
    wb_* : Wishbone, word addresses of 10 bits; ``wb_stall_o`` is always low
    irq : out, high while an enabled event is set
    """

    def __init__(self, config: EngineConfig, *, pipelined: bool = False) -> None:
        self.config = config
        self.pipelined = pipelined
        self.engine = BusEngine(config, through_registers=True)
        super().__init__(
            {
                "wb_clk_i": In(1), "wb_rst_i": In(1),
                "wb_adr_i": In(ADDRESS_BITS), "wb_dat_i": In(32), "wb_dat_o": Out(32), "wb_we_i": In(1),
                "wb_sel_i": In(4), "wb_cyc_i": In(1), "wb_stb_i": In(1), "wb_ack_o": Out(1), "wb_err_o": Out(1),
                "wb_stall_o": Out(1), "irq": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain()
        sync.clk, sync.rst = self.wb_clk_i, self.wb_rst_i
        m.submodules.engine = engine = self.engine
        m.submodules.wishbone = slave = WishboneSlave(pipelined=self.pipelined)
        wiring.connect(m, slave.registers, engine.registers)
        bus = slave.bus
        m.d.comb += [
            bus.adr.eq(self.wb_adr_i), bus.dat_w.eq(self.wb_dat_i), bus.we.eq(self.wb_we_i), bus.sel.eq(self.wb_sel_i),
            bus.cyc.eq(self.wb_cyc_i), bus.stb.eq(self.wb_stb_i), self.wb_dat_o.eq(bus.dat_r),
            self.wb_ack_o.eq(bus.ack), self.wb_err_o.eq(bus.err), self.wb_stall_o.eq(bus.stall),
            self.irq.eq(engine.interrupt),
        ]  # fmt: skip
        return m

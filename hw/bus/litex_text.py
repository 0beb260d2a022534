"""The LiteX module of a core, and a small system that has it."""

from __future__ import annotations

from hw.bus.core_verilog import Bus
from hw.bus.registers import WINDOW_BYTES

_HEAD = '''\
"""The shiftforge engine as a LiteX module; run as a program it makes the Verilog of a small system with it.

In your system: ``add_shiftforge(soc, origin)``, and call the driver (shiftforge.c) with the address of the region.
"""

from pathlib import Path

from migen import ClockSignal, Instance, ResetSignal, Signal

from litex.gen import LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import {imports}

FOLDER = Path(__file__).resolve().parent


class Shiftforge(LiteXModule):
    """The engine: ``bus`` for the registers, {streams}``irq``."""

    def __init__(self, platform):
'''

_WISHBONE = """\
        self.bus = bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        self.irq = Signal()
        self.specials += Instance(
            "shiftforge_wishbone",
            i_wb_clk_i=ClockSignal(), i_wb_rst_i=ResetSignal(),
            i_wb_adr_i=bus.adr[:10], i_wb_dat_i=bus.dat_w, o_wb_dat_o=bus.dat_r, i_wb_we_i=bus.we, i_wb_sel_i=bus.sel,
            i_wb_cyc_i=bus.cyc, i_wb_stb_i=bus.stb, o_wb_ack_o=bus.ack, o_wb_err_o=bus.err,
            o_irq=self.irq,
        )
        platform.add_source(str(FOLDER / "shiftforge_wishbone.v"))
"""

_AXI = """\
        self.bus = bus = axi.AXILiteInterface(data_width=32, address_width=32)
        self.sink = sink = axi.AXIStreamInterface(data_width={bits})
        self.source = source = axi.AXIStreamInterface(data_width=32)
        self.irq = Signal()
        self.comb += source.keep.eq(15)
        self.specials += Instance(
            "shiftforge_axi",
            i_aclk=ClockSignal(), i_aresetn=~ResetSignal(),
            i_s_axi_awaddr=bus.aw.addr[:12], i_s_axi_awprot=bus.aw.prot, i_s_axi_awvalid=bus.aw.valid,
            o_s_axi_awready=bus.aw.ready,
            i_s_axi_wdata=bus.w.data, i_s_axi_wstrb=bus.w.strb, i_s_axi_wvalid=bus.w.valid, o_s_axi_wready=bus.w.ready,
            o_s_axi_bresp=bus.b.resp, o_s_axi_bvalid=bus.b.valid, i_s_axi_bready=bus.b.ready,
            i_s_axi_araddr=bus.ar.addr[:12], i_s_axi_arprot=bus.ar.prot, i_s_axi_arvalid=bus.ar.valid,
            o_s_axi_arready=bus.ar.ready,
            o_s_axi_rdata=bus.r.data, o_s_axi_rresp=bus.r.resp, o_s_axi_rvalid=bus.r.valid, i_s_axi_rready=bus.r.ready,
            i_s_axis_tdata=sink.data, i_s_axis_tkeep=sink.keep, i_s_axis_tvalid=sink.valid, o_s_axis_tready=sink.ready,
            i_s_axis_tlast=sink.last,
            o_m_axis_tdata=source.data, o_m_axis_tvalid=source.valid, i_m_axis_tready=source.ready,
            o_m_axis_tlast=source.last,
            o_irq=self.irq,
        )
        platform.add_source(str(FOLDER / "shiftforge_axi.v"))
"""

_TAIL = '''

def add_shiftforge(soc, origin):
    """Add the engine to a system at an address; its streams, if it has some, are left to the caller."""
    soc.shiftforge = Shiftforge(soc.platform)
    soc.bus.add_slave("shiftforge", soc.shiftforge.bus, SoCRegion(origin=origin, size={window:#x}, cached=False))
    if soc.irq.enabled:
        soc.irq.add("shiftforge", use_loc_if_exists=True)


def main():
    """Make the sources of a system of a UART bridge and the engine, for a ULX3S, without running any tool."""
    from litex.build.generic_platform import IOStandard, Pins, Subsignal
    from litex.build.lattice import LatticeECP5Platform
    from litex.soc.integration.builder import Builder
    from litex.soc.integration.soc_core import SoCMini
    from migen.genlib.io import CRG

    pins = [
        ("clk25", 0, Pins("G2"), IOStandard("LVCMOS33")),
        ("serial", 0, Subsignal("tx", Pins("L4")), Subsignal("rx", Pins("M1")), IOStandard("LVCMOS33")),
    ]
    platform = LatticeECP5Platform("LFE5U-85F-6BG381C", pins, toolchain="trellis")
    soc = SoCMini(platform, clk_freq=int(25e6))
    soc.crg = CRG(platform.request("clk25"))
    soc.add_uartbone()
    add_shiftforge(soc, 0x30000000)
{streams}    Builder(soc, output_dir="build", compile_software=False, compile_gateware=False).build(run=False)


if __name__ == "__main__":
    main()
'''


def litex_module(bus: Bus, stream_bytes: int = 4) -> str:
    """Return ``litex_shiftforge.py``: a class that instantiates the Verilog, and an example that uses it."""
    streams = "``sink`` and ``source`` for the data, " if bus is Bus.AXI else ""
    loop = (
        "    # Images would come from a DMA; here nothing is sent.\n    soc.comb += soc.shiftforge.source.ready.eq(1)\n"
        if bus is Bus.AXI
        else ""
    )
    head = _HEAD.format(imports="axi" if bus is Bus.AXI else "wishbone", streams=streams)
    body = _AXI.format(bits=8 * stream_bytes) if bus is Bus.AXI else _WISHBONE
    return head + body + _TAIL.format(window=WINDOW_BYTES, streams=loop)

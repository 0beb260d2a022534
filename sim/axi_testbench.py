"""cocotb testbench of an engine on AXI, with the channels of cocotbext-axi."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from cocotbext.axi.axil_channels import (
    AxiLiteARBus,
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWBus,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBBus,
    AxiLiteBSink,
    AxiLiteRBus,
    AxiLiteRSink,
    AxiLiteWBus,
    AxiLiteWSource,
    AxiLiteWTransaction,
)

from sim.bus_testbench import PERIOD_NS, pauses, run_job

OKAY = 0
SLVERR = 2


class AxiPort:
    """The channels of AXI4-Lite one by one, so that every strobe and order comes up, and both streams."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

        def channel(kind: Any, bus: Any, prefix: str) -> Any:
            return kind(bus.from_prefix(dut, prefix), dut.aclk, dut.aresetn, reset_active_level=False)

        self.aw = channel(AxiLiteAWSource, AxiLiteAWBus, "s_axi")
        self.w = channel(AxiLiteWSource, AxiLiteWBus, "s_axi")
        self.b = channel(AxiLiteBSink, AxiLiteBBus, "s_axi")
        self.ar = channel(AxiLiteARSource, AxiLiteARBus, "s_axi")
        self.r = channel(AxiLiteRSink, AxiLiteRBus, "s_axi")
        self.source = channel(AxiStreamSource, AxiStreamBus, "s_axis")
        self.sink = channel(AxiStreamSink, AxiStreamBus, "m_axis")
        self.width = len(dut.s_axis_tkeep)

    async def write(self, address: int, word: int, mask: int) -> bool:
        """Write; return whether it was answered without an error."""
        self.aw.send_nowait(AxiLiteAWTransaction(awaddr=address, awprot=0))
        self.w.send_nowait(AxiLiteWTransaction(wdata=word, wstrb=mask))
        answer = int((await self.b.recv()).bresp)
        assert answer in (OKAY, SLVERR), answer
        return answer == OKAY

    async def read(self, address: int) -> int | None:
        """Return the word, or None for an error."""
        self.ar.send_nowait(AxiLiteARTransaction(araddr=address, arprot=0))
        answer = await self.r.recv()
        assert int(answer.rresp) in (OKAY, SLVERR), answer
        return int(answer.rdata) if int(answer.rresp) == OKAY else None

    async def both(self, write: list[int], address: int) -> list[Any]:
        """Write and read at once."""
        writing = cocotb.start_soon(self.write(*write))
        word = await self.read(address)
        return [await writing, word]

    async def send(self, data: bytes, last: bool) -> None:
        """Send a frame of data; without its end it has one byte too few and waits for more."""
        if last:
            await self.source.send(AxiStreamFrame(data))
            await self.source.wait()
            return
        await self.keep([[value, 1, 0] for value in data])

    async def keep(self, words: list[list[int]]) -> None:
        """Drive words of data, kept bytes and end, pin by pin; the source of cocotbext-axi cannot."""
        bus = self.dut
        for data, keep, last in words:
            bus.s_axis_tdata.value, bus.s_axis_tkeep.value, bus.s_axis_tlast.value = data, keep, last
            bus.s_axis_tvalid.value = 1
            await RisingEdge(bus.aclk)
            while bus.s_axis_tready.value == 0:
                await RisingEdge(bus.aclk)
        bus.s_axis_tvalid.value = 0

    async def receive(self, count: int) -> list[int]:
        """Return the logits of one image."""
        frame = await self.sink.recv()
        data = bytes(frame.tdata)
        return [int.from_bytes(data[i : i + 4], "little", signed=True) for i in range(0, len(data), 4)]

    def pause(self, seed: int, probability: float) -> None:
        """Pause at random on all channels."""
        for index, channel in enumerate((self.aw, self.w, self.b, self.ar, self.r, self.source, self.sink)):
            channel.clear_pause_generator()
            channel.pause = False
            if probability:
                channel.set_pause_generator(pauses(seed * 7 + index, probability))

    async def hold(self, held: bool) -> None:
        """Take no logits from now on, or take them again; without pauses."""
        self.sink.pause = held

    def irq(self) -> int:
        """Return the interrupt's level."""
        return int(self.dut.irq.value)


@cocotb.test()
async def run(dut: Any) -> None:
    """Run the job of ``SHIFTFORGE_JOB``."""
    dut.aresetn.value = 0
    Clock(dut.aclk, PERIOD_NS, unit="ns").start(start_high=False)
    port = AxiPort(dut)
    await Timer(10 * PERIOD_NS, unit="ns")
    await RisingEdge(dut.aclk)
    dut.aresetn.value = 1
    await Timer(4 * PERIOD_NS, unit="ns")
    await run_job(port)

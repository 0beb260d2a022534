"""cocotb testbench of an engine on Wishbone: a classic or pipelined master that holds the bus's rules."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from hw.bus.registers import REGISTERS
from sim.bus_testbench import PERIOD_NS, pauses, run_job

ADDRESS = {register.name: register.address for register in REGISTERS}


class WishboneMaster:
    """One access after another. Pins change and are sampled while the clock is low."""

    def __init__(self, dut: Any, *, pipelined: bool = False) -> None:
        self.dut = dut
        self.pipelined = pipelined
        self.pauses: Iterator[bool] = pauses(0, 0.0)

    async def _access(self, address: int, word: int, mask: int, write: int) -> int | None:
        dut = self.dut
        while next(self.pauses):
            await FallingEdge(dut.wb_clk_i)
        dut.wb_cyc_i.value = dut.wb_stb_i.value = 1
        dut.wb_adr_i.value, dut.wb_dat_i.value = address >> 2, word
        dut.wb_sel_i.value, dut.wb_we_i.value = mask, write
        await ReadOnly()
        assert dut.wb_stall_o.value == 0
        assert dut.wb_ack_o.value == 0 and dut.wb_err_o.value == 0, "an answer to no access"
        await FallingEdge(dut.wb_clk_i)
        if self.pipelined:
            dut.wb_stb_i.value = 0
        await ReadOnly()
        ack, err = int(dut.wb_ack_o.value), int(dut.wb_err_o.value)
        assert ack + err == 1, "an access is answered once, in the next clock"
        answer = int(dut.wb_dat_o.value) if ack else None
        await FallingEdge(dut.wb_clk_i)
        dut.wb_cyc_i.value = dut.wb_stb_i.value = 0
        await ReadOnly()
        assert dut.wb_ack_o.value == 0 and dut.wb_err_o.value == 0, "an answer to no access"
        await FallingEdge(dut.wb_clk_i)
        return answer

    async def write(self, address: int, word: int, mask: int) -> bool:
        """Write; return whether it was answered without an error."""
        return await self._access(address, word, mask, 1) is not None

    async def read(self, address: int) -> int | None:
        """Return the word, or None for an error."""
        return await self._access(address, 0, 15, 0)

    async def both(self, write: list[int], address: int) -> list[Any]:
        """Write, then read: a Wishbone port has one access at a time."""
        return [await self.write(*write), await self.read(address)]

    async def send(self, data: bytes, last: bool) -> None:
        """Send a frame through DATA and DATA_LAST, as much at a time as there is space for."""
        words = [data[i : i + 4] for i in range(0, len(data), 4)]
        space = 0
        for index, word in enumerate(words):
            while not space:
                space = await self.read(ADDRESS["data_space"]) or 0
            ends = last and index == len(words) - 1
            value = int.from_bytes(word, "little")
            await self.write(ADDRESS["data_last" if ends else "data"], value, (1 << len(word)) - 1)
            space -= 1

    async def keep(self, words: list[list[int]]) -> None:
        """Write words with the bytes selected that are kept, without a look at the space."""
        for data, keep, last in words:
            await self.write(ADDRESS["data_last" if last else "data"], data, keep)

    async def receive(self, count: int) -> list[int]:
        """Return so many logits."""
        logits: list[int] = []
        while len(logits) < count:
            for _ in range(await self.read(ADDRESS["logits_waiting"]) or 0):
                word = await self.read(ADDRESS["logit"])
                assert word is not None
                logits.append(word - (word >> 31 << 32))
        return logits

    def pause(self, seed: int, probability: float) -> None:
        """Pause at random between accesses."""
        self.pauses = pauses(seed, probability)

    def irq(self) -> int:
        """Return the interrupt's level."""
        return int(self.dut.irq.value)


@cocotb.test()
async def run(dut: Any) -> None:
    """Run the job of ``SHIFTFORGE_JOB``."""
    job = json.loads(Path(os.environ["SHIFTFORGE_JOB"]).read_text())
    for pin in ("cyc", "stb", "we", "adr", "dat", "sel"):
        getattr(dut, f"wb_{pin}_i").value = 0
    dut.wb_rst_i.value = 1
    Clock(dut.wb_clk_i, PERIOD_NS, unit="ns").start(start_high=False)
    for _ in range(4):
        await FallingEdge(dut.wb_clk_i)
    dut.wb_rst_i.value = 0
    await FallingEdge(dut.wb_clk_i)
    await run_job(WishboneMaster(dut, pipelined=job.get("pipelined", False)))

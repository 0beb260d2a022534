"""cocotb testbench of a whole board: the host's side of the UART link, bit by bit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, SimTimeoutError, Timer, with_timeout

from host.protocol import FrameReader

PERIOD_NS = 10


class Uart:
    """Both directions of a serial line, 8 data bits, no parity, 1 stop bit."""

    def __init__(self, dut: Any, divisor: float) -> None:
        self.dut = dut
        self.bit_ns = round(divisor * PERIOD_NS)

    async def send(self, values: bytes) -> None:
        """Send bytes one after another."""
        for value in values:
            level = 1
            waiting = 0
            # Start bit, data from the lowest bit on, stop bit; the pin is touched where it changes only.
            for bit in (0, *(value >> i & 1 for i in range(8)), 1):
                if bit != level:
                    if waiting:
                        await Timer(waiting * self.bit_ns, unit="ns")
                    self.dut.rx.value = level = bit
                    waiting = 0
                waiting += 1
            await Timer(waiting * self.bit_ns, unit="ns")

    async def receive(self, limit_ns: int) -> bytes:
        """Receive a frame; ``SimTimeoutError`` if a byte does not begin in time."""
        values: list[int] = []
        reader = FrameReader()
        found = False
        while not found:
            if self.dut.tx.value == 1:
                await with_timeout(FallingEdge(self.dut.tx), limit_ns, "ns")
            await Timer(self.bit_ns * 3 // 2, unit="ns")
            value = 0
            for i in range(8):
                value |= int(self.dut.tx.value) << i
                await Timer(self.bit_ns, unit="ns")
            assert self.dut.tx.value == 1, "a byte without its stop bit came from the board"
            values.append(value)
            found = bool(reader.feed(bytes([value])))
        return bytes(values)


@cocotb.test()
async def run_frames(dut: Any) -> None:
    """Send the frames of ``SHIFTFORGE_JOB`` one by one, and write every reply beside it."""
    job_file = Path(os.environ["SHIFTFORGE_JOB"])
    job: dict[str, Any] = json.loads(job_file.read_text())
    uart = Uart(dut, job["divisor"])
    dut.rx.value = 1
    dut.locked.value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    await Timer(20 * PERIOD_NS, unit="ns")
    dut.locked.value = 1
    await Timer(20 * PERIOD_NS, unit="ns")
    replies: list[str | None] = []
    for request in job["frames"]:
        listener = cocotb.start_soon(uart.receive(job["limit"] * PERIOD_NS))
        await uart.send(bytes.fromhex(request))
        try:
            replies.append((await listener).hex())
        except SimTimeoutError:
            replies.append(None)
            break
    job_file.with_suffix(".result.json").write_text(json.dumps(replies))

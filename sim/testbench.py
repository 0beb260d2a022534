"""cocotb testbench: loads the program, sends images with random stalls, records what comes out."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, SimTimeoutError, Timer, with_timeout

PERIOD_NS = 10
PATIENCE = 4_000_000
"""Clocks that a value of the image stream is offered, longer than any inference."""


class StreamStall:
    """Random pauses of a stream, from a seed; ``probability`` 0 never pauses."""

    def __init__(self, seed: int, probability: float) -> None:
        self.random = random.Random(seed)
        self.probability = probability

    def clocks(self) -> int:
        """Return how many clocks to pause before the next transfer."""
        return self.random.randrange(1, 9) if self.random.random() < self.probability else 0


async def send(dut: Any, values: bytes, stall: StreamStall) -> None:
    """Put values on the image stream.

    Pins change and are sampled while the clock is low, so that it does not matter whether a simulator runs
    Python before or after the flip-flops of a rising edge.
    """
    for value in values:
        pause = stall.clocks()
        if pause:
            dut.image__valid.value = 0
            await Timer(pause * PERIOD_NS, unit="ns")
        dut.image__payload.value = value
        dut.image__valid.value = 1
        taken = False
        for _ in range(PATIENCE):
            await ReadOnly()
            taken = dut.image__ready.value == 1
            await FallingEdge(dut.clk)
            if taken:
                break
        assert taken, f"the engine took no value from the image stream in {PATIENCE} clocks"
    dut.image__valid.value = 0


async def receive(dut: Any, stall: StreamStall) -> list[int]:
    """Take one image's logits."""
    logits: list[int] = []
    while True:
        pause = stall.clocks()
        if pause:
            dut.logits__ready.value = 0
            await Timer(pause * PERIOD_NS, unit="ns")
        dut.logits__ready.value = 1
        await ReadOnly()
        if dut.logits__valid.value == 0:
            await RisingEdge(dut.logits__valid)
            await FallingEdge(dut.clk)
            await ReadOnly()
        logits.append(dut.logits__value.value.to_signed())
        last = dut.logits__last.value == 1
        await FallingEdge(dut.clk)
        if last:
            dut.logits__ready.value = 0
            return logits


@cocotb.test()
async def run_images(dut: Any) -> None:
    """Run the job of ``SHIFTFORGE_JOB`` and write its result beside it."""
    job_file = Path(os.environ["SHIFTFORGE_JOB"])
    job: dict[str, Any] = json.loads(job_file.read_text())
    dut.run.value = 0
    dut.rst.value = 1
    for pin in (dut.image__valid, dut.logits__ready, dut.klass__ready, dut.image__payload):
        pin.value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(4):
        await FallingEdge(dut.clk)
    results = []
    for program in job["programs"]:
        results.append(await run_program(dut, job, program))
        if "timeout" in results[-1][-1]:
            break
    job_file.with_suffix(".result.json").write_text(json.dumps(results))


async def run_program(dut: Any, job: dict[str, Any], program: dict[str, Any]) -> list[dict[str, Any]]:
    """Load a program and run its images; the last result is a ``timeout`` if the engine did not answer.

    The engine was stopped ``wait`` clocks after the last answer of the program before.
    """
    for _ in range(program["wait"]):
        await FallingEdge(dut.clk)
    dut.run.value = 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    await send(dut, bytes.fromhex(program["memory"]), StreamStall(0, 0.0))
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.run.value = 1
    results: list[dict[str, Any]] = []
    images, clusters = program["images"], job["clusters"]
    for start in range(0, len(images), clusters):
        batch = images[start : start + clusters]
        stall = job["stall"] if start or not job["first_unstalled"] else 0.0
        sender = cocotb.start_soon(
            send(dut, bytes.fromhex("".join(batch)), StreamStall(job["seed"] + 2 * start, stall))
        )
        answers: list[tuple[list[int], int]] = []
        for index in range(start, start + clusters):
            try:
                logits = await with_timeout(
                    receive(dut, StreamStall(job["seed"] + 2 * index + 1, stall)), program["limit"] * PERIOD_NS, "ns"
                )
            except SimTimeoutError:
                break
            await sender
            if dut.klass__valid.value == 0:
                await RisingEdge(dut.klass__valid)
            await FallingEdge(dut.clk)
            klass = int(dut.klass__payload.value)
            dut.klass__ready.value = 1
            await FallingEdge(dut.clk)
            dut.klass__ready.value = 0
            answers.append((logits, klass))
        if len(answers) < clusters:
            results.append({"timeout": True, "error": int(dut.error.value)})
            break
        if dut.busy.value == 1:
            await FallingEdge(dut.busy)
        # The monitor sees the end a clock later.
        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        cycles = int(dut.cycles.value)
        results += [{"logits": logits, "class": klass, "cycles": cycles} for logits, klass in answers]
    return results

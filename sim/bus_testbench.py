"""What the cocotb testbenches of all buses share: the operations of :mod:`sim.bus_simulation`, one after another."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cocotb.triggers import SimTimeoutError, Timer, with_timeout

PERIOD_NS = 10


class Port(Protocol):
    """A bus's side of the operations."""

    async def write(self, address: int, word: int, mask: int) -> bool:
        """Write; return whether it was answered without an error."""

    async def read(self, address: int) -> int | None:
        """Return the word, or None for an error."""

    async def send(self, data: bytes, last: bool) -> None:
        """Send a frame of data."""

    async def keep(self, words: list[list[int]]) -> None:
        """Send words of data, kept bytes and end."""

    async def receive(self, count: int) -> list[int]:
        """Return logits."""

    async def both(self, write: list[int], address: int) -> list[Any]:
        """Write and read at once."""

    def pause(self, seed: int, probability: float) -> None:
        """Pause at random."""

    def irq(self) -> int:
        """Return the interrupt's level."""


def pauses(seed: int, probability: float) -> Iterator[bool]:
    """Yield whether to pause in each clock."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < probability


async def run_job(port: Port) -> None:
    """Run the job of ``SHIFTFORGE_JOB`` and write its result beside it."""
    job_file = Path(os.environ["SHIFTFORGE_JOB"])
    job: dict[str, Any] = json.loads(job_file.read_text())
    results: list[Any] = []
    for operation in job["operations"]:
        try:
            results.append(await with_timeout(_run(port, *operation), job["limit"] * PERIOD_NS, "ns"))
        except SimTimeoutError:
            break
    job_file.with_suffix(".result.json").write_text(json.dumps(results))


async def _run(port: Port, name: str, *arguments: Any) -> Any:
    if name == "wait":
        await Timer(arguments[0] * PERIOD_NS, unit="ns")
        return None
    if name == "poll":
        address, mask, value = arguments
        while True:
            word = await port.read(address)
            if word is None or word & mask == value:
                return word
    if name == "irq":
        return port.irq()
    if name == "pause":
        return port.pause(*arguments)
    if name == "send":
        return await port.send(bytes.fromhex(arguments[0]), arguments[1])
    return await getattr(port, name)(*arguments)

"""Runs images through the engine in Amaranth's own simulator: the gateware before any Verilog is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from amaranth import Fragment, Instance, Module
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from hw.memory.main_memory import SPRAM_DEPTH, SPRAM_WIDTH
from hw.systolic.compiler import CompiledNetwork
from hw.systolic.engine import Engine
from sim.runner import ImageRun, pack_memory
from sim.verilator import SimulatorError


def run_amaranth(
    compiled: CompiledNetwork,
    images: np.ndarray,
    *,
    patience: int | None = None,
) -> list[ImageRun]:
    """Load the program and run images, without pauses on the streams.

    The simulator is slow (some hundred clocks a second for 64 cells), so this is for a few images.

    Parameters
    ----------
    compiled : CompiledNetwork
        The program, and the engine's configuration.
    images : uint8 (images, channels, height, width)
        Stored numbers of the input tensor.
    patience : int or None
        Clocks to wait for an answer, or for a value to be taken; ``None``: 20 times the predicted ones and more.

    Raises
    ------
    SimulatorError
        If the engine takes no value, or does not answer, in time.
    """
    dut = Engine(compiled.config)
    clusters = compiled.config.clusters
    # The clusters need an image each: the last one is repeated.
    padded = [*images, *(images[-1] for _ in range(-len(images) % clusters))]
    limit = patience or 20 * clusters * compiled.predicted_cycles + 100 * images[0].size + 10_000
    recorder = _Recorder(clusters)
    answers: list[tuple[list[int], int, int]] = []

    async def host(ctx: Any) -> None:
        async def send(values: bytes) -> None:
            ctx.set(dut.image.valid, 1)
            for value in values:
                ctx.set(dut.image.payload, value)
                await _until(ctx, dut.image.ready, dut.image.ready, limit)
            ctx.set(dut.image.valid, 0)

        await ctx.tick().repeat(4)
        await send(pack_memory(compiled))
        await ctx.tick().repeat(4)
        ctx.set(dut.run, 1)
        for start in range(0, len(padded), clusters):
            for image in padded[start : start + clusters]:
                await send(compiled.pack_image(image))
            parts = []
            for _ in range(clusters):
                logits: list[int] = []
                last = 0
                ctx.set(dut.logits.ready, 1)
                while not last:
                    payload = await _until(ctx, dut.logits.valid, dut.logits.payload, limit)
                    logits.append(int(payload.value))
                    last = payload.last
                ctx.set(dut.logits.ready, 0)
                ctx.set(dut.klass.ready, 1)
                klass = await _until(ctx, dut.klass.valid, dut.klass.payload, limit)
                ctx.set(dut.klass.ready, 0)
                parts.append((logits, int(klass)))
            if ctx.get(dut.status.busy):
                await _until(ctx, ~dut.status.busy, dut.status.busy, limit)
            # The recorder sees the end a clock later.
            await ctx.tick().repeat(2)
            cycles = int(ctx.get(dut.status.cycles))
            answers.extend((logits, klass, cycles) for logits, klass in parts)

    simulator = Simulator(_with_spram_models(Fragment.get(dut, None)))
    simulator.add_clock(1e-6)
    simulator.add_process(recorder.process(dut))
    simulator.add_testbench(host)
    simulator.run()
    runs = [ImageRun(*answer, writes) for answer, writes in zip(answers, recorder.images, strict=True)]
    return runs[: len(images)]


async def _until(ctx: Any, condition: Any, value: Any, limit: int) -> Any:
    """Return ``value`` in the first clock in which ``condition`` holds."""
    async for _, _, held, sample in ctx.tick().sample(condition, value):
        limit -= 1
        if held:
            return sample
        if limit < 0:
            break
    raise SimulatorError("the engine did not answer in Amaranth's simulator")


class _Recorder:
    """Writes the memory writes of every image down, one list for each cluster's image.

    Attributes
    ----------
    images : list of list of (int, int, int)
        Word address, lane mask and word of every write, an image after the other.
    """

    def __init__(self, clusters: int) -> None:
        self.clusters = clusters
        self.images: list[list[tuple[int, int, int]]] = []

    def process(self, dut: Engine) -> Callable[[Any], Any]:
        """Return the simulator's process."""

        async def record(ctx: Any) -> None:
            writes: list[list[tuple[int, int, int]]] = [[] for _ in range(self.clusters)]
            was_busy = 0
            signals: Sequence[Any] = [
                signal
                for i in range(self.clusters)
                for signal in (dut.trace_valid[i], dut.trace_address[i], dut.trace_mask[i], dut.trace_data[i])
            ]
            async for _, _, busy, *values in ctx.tick().sample(dut.status.busy, *signals):
                if was_busy and not busy:
                    self.images += writes
                    writes = [[] for _ in range(self.clusters)]
                was_busy = busy
                for i in range(self.clusters):
                    valid, address, mask, data = values[4 * i : 4 * i + 4]
                    if valid:
                        writes[i].append((int(address), int(mask), int(data)))

        return record


def _with_spram_models(fragment: Fragment) -> Fragment:
    """Put a memory in the place of every instance of the UP5K's SPRAM, which only the chip has."""
    parts = []
    for part, *rest in fragment.subfragments:
        if isinstance(part, Instance):
            if part.type != "SB_SPRAM256KA":
                raise SimulatorError(f"Amaranth's simulator has no model of {part.type}")
            part = Fragment.get(_spram(part), None)
        else:
            part = _with_spram_models(part)
        parts.append((part, *rest))
    fragment.subfragments[:] = parts
    return fragment


def _spram(instance: Instance) -> Module:
    """Return 16k x 16 bits with one port and write masks of 4 bits, which begin with anything but zeros."""
    m = Module()
    pins = {name: value for name, (value, _) in instance.ports.items()}
    start = [0xA5C3 ^ (i & 0xFFFF) for i in range(SPRAM_DEPTH)]
    m.submodules.memory = memory = Memory(shape=SPRAM_WIDTH, depth=SPRAM_DEPTH, init=start)
    read = memory.read_port()
    write = memory.write_port(granularity=4)
    m.d.comb += [
        read.addr.eq(pins["ADDRESS"]),
        read.en.eq(pins["CHIPSELECT"] & ~pins["WREN"]),
        write.addr.eq(pins["ADDRESS"]),
        write.data.eq(pins["DATAIN"]),
        pins["DATAOUT"].eq(read.data),
    ]
    with m.If(pins["CHIPSELECT"] & pins["WREN"]):
        m.d.comb += write.en.eq(pins["MASKWREN"])
    return m

"""Runs accesses, programs and images through an engine on a bus, with cocotb and Verilator."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib.wiring import Component, In

from hw.bus.core_folder import bus_bytes
from hw.bus.core_verilog import Bus, emit_core
from hw.systolic.compiler import CompiledNetwork
from sim.monitor import TOP
from sim.runner import compile_design, log_tail, pack_memory, run_testbench
from sim.verilator import SimulatorError

Operation = list[Any]
"""What a testbench is to do, see :func:`run_operations`."""


def program_bytes(compiled: CompiledNetwork) -> bytes:
    """Return a program as it travels on a bus."""
    return bus_bytes(compiled, pack_memory(compiled))


def image_bytes(compiled: CompiledNetwork, image: Any) -> bytes:
    """Return an image (channels, height, width) as it travels on a bus."""
    return bus_bytes(compiled, compiled.pack_image(image))


def wrapper_verilog(core: Component, name: str) -> str:
    """Return a module :data:`~sim.monitor.TOP` with the ports of a core, all visible to Python."""
    public = "/*verilator public_flat_rw*/"
    ports = []
    for port, member in core.signature.members.items():
        width = Shape.cast(member.shape).width
        size = f"[{width - 1}:0] " if width > 1 else ""
        ports.append(f"    {'input' if member.flow is In else 'output'} {size}{port} {public}")
    connections = ",\n".join(f"        .{port}({port})" for port in core.signature.members)
    return f"module {TOP} (\n" + ",\n".join(ports) + f"\n);\n    {name} core (\n{connections}\n    );\nendmodule\n"


def compile_core(core: Component, bus: Bus, cache: Path) -> Path:
    """Compile a core into a simulation; the same input is compiled once."""
    return compile_design(emit_core(core, bus.module), wrapper_verilog(core, bus.module), cache)


def run_operations(simulation: Path, bus: Bus, operations: Sequence[Operation], **options: Any) -> list[Any]:
    """Run operations one after another; return what each of them gave.

    ==================================  ===================================================================
    ``["write", address, word, mask]``  a write; gives whether it was answered without an error
    ``["read", address]``               a read; gives the word, or None for an error
    ``["send", bytes as hex, last]``    a frame of data; with ``last`` false its end is not marked
    ``["keep", words]``                 AXI: words ``[data, keep, last]`` of data, as they are
    ``["receive", logits]``             gives so many logits (of one image on AXI, whatever their number)
    ``["wait", clocks]``
    ``["poll", address, mask, value]``  reads until the bits of ``mask`` are ``value``; gives the word
    ``["irq"]``                         gives the interrupt's level
    ``["both", write, address]``        AXI: a write and a read at once; gives both
    ``["hold", held]``                  AXI: whether logits are left where they are from now on
    ``["pause", seed, probability]``    random pauses on all channels from now on
    ==================================  ===================================================================

    Parameters
    ----------
    simulation : Path
        From :func:`compile_core`.
    bus : Bus
        Its bus.
    operations : sequence of lists
        What to do.
    **options
        ``limit``: clocks that an operation may take (200,000); ``pipelined``: the Wishbone port is.

    Raises
    ------
    SimulatorError
        If an operation does not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        work = Path(folder)
        job = work / "job.json"
        job.write_text(json.dumps({"operations": list(operations), "limit": 200_000, **options}))
        run_testbench(simulation, f"sim.{bus.value}_testbench", job, work / "trace.txt")
        result = job.with_suffix(".result.json")
        if not result.exists():
            raise SimulatorError(f"the testbench failed: {log_tail(work / 'cocotb.log')}")
        answers: list[Any] = json.loads(result.read_text())
    if len(answers) < len(operations):
        raise SimulatorError(f"operation {len(answers)} did not end in time: {str(operations[len(answers)])[:80]}")
    return answers

"""The folder that a designer takes: Verilog, driver, documents, program and descriptions for build systems."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hw.bus.core_verilog import Bus, emit_core, make_core
from hw.bus.fusesoc_text import fusesoc_core
from hw.bus.litex_text import litex_module
from hw.bus.register_text import c_header, markdown, python_module
from hw.graph import digest
from hw.systolic.compiler import CompiledNetwork

DESCRIPTION = "core.json"
"""The file that says that a folder is a core's."""

FORMAT = 1


@dataclass(frozen=True)
class Core:
    """A written core.

    Attributes
    ----------
    folder : Path
        Where it is.
    bus : Bus
        What it is connected to.
    image_bytes, program_bytes : int
        Sizes of what travels on the bus.
    """

    folder: Path
    bus: Bus
    image_bytes: int
    program_bytes: int


def bus_bytes(compiled: CompiledNetwork, values: bytes) -> bytes:
    """Return activations (of a program or an image, one a byte) as they travel: those of 4 bits share a byte."""
    if compiled.config.activation_bits != 4:
        return values
    return bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


def image_size(compiled: CompiledNetwork) -> int:
    """Return the bytes of an image on a bus."""
    image = compiled.network.tensor(compiled.network.input)
    planes = 2 if compiled.config.activation_bits == 4 and image.bits > 4 else 1
    return image.channels * image.height * image.width * planes * compiled.config.activation_bits // 8


def write_core(
    compiled: CompiledNetwork, bus: Bus, out: Path, *, stream_bytes: int = 4, pipelined: bool = False
) -> Core:
    """Write a core's folder, whole or not at all; one that was written before is replaced.

    Parameters
    ----------
    compiled : CompiledNetwork
        The network, for the engine that goes on the bus.
    bus : Bus
        What it is connected to.
    out : Path
        The folder.
    stream_bytes, pipelined : int, bool
        Of the bus, see :func:`~hw.bus.core_verilog.make_core`.

    Raises
    ------
    ValueError
        If a bus cannot carry the engine, or ``out`` is something else than a core's folder.
    """
    if out.exists() and not (out.is_dir() and ((out / DESCRIPTION).is_file() or not any(out.iterdir()))):
        raise ValueError(f"{out}: exists and is no core ({DESCRIPTION} is missing); it is left as it is")
    core = make_core(compiled.config, bus, stream_bytes=stream_bytes, pipelined=pipelined)
    program = bus_bytes(compiled, compiled.pack_program())
    size = image_size(compiled)
    key = digest(compiled.network)
    config = compiled.config
    header = [
        f"shiftforge engine on {bus.value}, for {compiled.network.name} (sha256 {key[:16]})",
        f"{config.rows} x {config.cols} shift-add cells, {config.activation_bits}-bit activations, "
        f"weights {config.alphabet}",
        f"{compiled.predicted_cycles} clocks an inference",
        f"amaranth {version('amaranth')}",
    ]
    description = {
        "format": FORMAT,
        "bus": bus.value,
        "module": bus.module,
        "stream_bytes": stream_bytes if bus is Bus.AXI else None,
        "pipelined": pipelined if bus is Bus.WISHBONE else None,
        "network": {"name": compiled.network.name, "sha256": key, "classes": compiled.network.classes},
        "image_bytes": size,
        "program_bytes": len(program),
        "predicted_cycles": compiled.predicted_cycles,
        "config": config.to_json(),
        "tools": {"amaranth": version("amaranth")},
    }
    driver = Path(__file__).parent / "driver"
    files: dict[str, str | bytes] = {
        f"{bus.module}.v": emit_core(core, bus.module, header),
        f"{bus.module}.core": fusesoc_core(bus, version("shiftforge")),
        "litex_shiftforge.py": litex_module(bus, stream_bytes),
        "shiftforge.c": (driver / "shiftforge.c").read_text(),
        "shiftforge.h": (driver / "shiftforge.h").read_text(),
        "shiftforge_registers.h": c_header(),
        "shiftforge_registers.py": python_module(),
        "shiftforge_network.h": network_header(compiled, program, size, key),
        "registers.md": markdown(),
        "program.bin": program,
        DESCRIPTION: json.dumps(description, indent=2) + "\n",
    }
    _write_folder(out, files)
    return Core(out, bus, size, len(program))


def network_header(compiled: CompiledNetwork, program: bytes, size: int, key: str) -> str:
    """Return ``shiftforge_network.h``: sizes and digest of a network, and its program as an array."""
    rows = [program[i : i + 16] for i in range(0, len(program), 16)]
    array = ",\n".join("    " + ", ".join(f"0x{byte:02x}" for byte in row) for row in rows)
    return f"""\
/* A network for a shiftforge engine; generated. */
#ifndef SHIFTFORGE_NETWORK_H
#define SHIFTFORGE_NETWORK_H

#include <stdint.h>

#define SHIFTFORGE_NETWORK_IMAGE_BYTES {size}u
#define SHIFTFORGE_NETWORK_CLASSES {compiled.network.classes}u
#define SHIFTFORGE_NETWORK_CYCLES {compiled.predicted_cycles}u
#define SHIFTFORGE_NETWORK_DIGEST 0x{key[:16]}u

static const uint8_t shiftforge_network_program[{len(program)}] = {{
{array}
}};

#endif
"""


def _write_folder(out: Path, files: dict[str, str | bytes]) -> None:
    """Write the files into a folder beside ``out`` and rename it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    before = work / "before"
    try:
        new = work / "new"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content.encode() if isinstance(content, str) else content)
        if out.exists():
            os.rename(out, before)
        try:
            os.rename(new, out)
        except OSError:
            if before.exists():
                os.rename(before, out)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)

"""The link and a tiny engine, byte by byte: what a board's top is between its two UARTs, as a Verilator program."""

from __future__ import annotations

import functools
import struct
import subprocess
from pathlib import Path

import numpy as np
from amaranth import Module
from amaranth.back import verilog
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from host.protocol import answer_bytes, load_payload, reply, request
from hw.bus import HostLink
from hw.bus.description import Description
from hw.bus.frame_types import Frame
from hw.graph import Network
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine
from sim.runner import pack_memory
from sim.verilator import environment
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config

HARNESS = Path(__file__).parent / "link_harness.cpp"
TIMEOUT = 256
"""Of the link, in looks for a byte."""

DEPTH = 1024
"""Of the queue from the host."""

DIGEST = b"tinynet\0"


class LinkedEngine(wiring.Component):
    """An engine behind its link.

    Ports
    -----
    i, o : streams of 8 bits, in and out
    """

    def __init__(self, config: EngineConfig, *, registered: bool = False) -> None:
        description = Description(config, "test", 1_000_000, DEPTH - DEPTH // 16)
        self.link = HostLink(
            description.to_bytes(), timeout=TIMEOUT, clusters=config.clusters, depth=DEPTH, registered=registered
        )
        self.engine = Engine(config)
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = self.link
        m.submodules.engine = self.engine
        m.d.comb += [
            self.engine.run.eq(self.link.run),
            self.link.error.eq(self.engine.status.error),
            self.link.busy.eq(self.engine.status.busy),
            self.link.cycles.eq(self.engine.status.cycles),
        ]
        wiring.connect(m, wiring.flipped(self.i), self.link.i)
        wiring.connect(m, self.link.o, wiring.flipped(self.o))
        wiring.connect(m, self.link.image, self.engine.image)
        wiring.connect(m, self.engine.logits, self.link.logits)
        wiring.connect(m, self.engine.klass, self.link.klass)
        return m


@functools.cache
def tiny_network() -> tuple[Network, CompiledNetwork]:
    """Return a network of 200 clocks, compiled for 4 x 2 cells."""
    network = random_network(78)
    config = make_config(
        rows=4, cols=2, memory_words=256, psum_depth=16, constant_depth=16, columns_per_requantizer=2, watchdog_bits=8
    )
    return network, compile_network(network, config)


def load_request(sequence: int = 1) -> bytes:
    """Return the request that loads the program."""
    network, compiled = tiny_network()
    return request(Frame.LOAD, sequence, load_payload(DIGEST, network.classes, pack_memory(compiled)))


def exchanges(count: int = 4) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the request that loads the program, and (request, reply) of some images."""
    network, compiled = tiny_network()
    images = random_images(network, 1, count)
    logits = network.run(images)[network.logits.name]
    found = []
    for i, (image, row) in enumerate(zip(images, logits, strict=True)):
        answer = row.astype("<i4").tobytes() + struct.pack("<HI", int(np.argmax(row)), compiled.predicted_cycles)
        assert len(answer) == answer_bytes(network.classes)
        found.append((request(Frame.INFER, 16 + i, compiled.pack_image(image)), reply(Frame.INFER, 16 + i, answer)))
    return load_request(), found


def compile_harness(folder: Path, text: str | None = None, *, registered: bool = False) -> Path:
    """Compile the link, the engine and the harness; return the program.

    Parameters
    ----------
    folder : Path
        Where it is compiled.
    text : str or None
        Verilog instead of the one of :class:`LinkedEngine`.
    registered : bool
        Whether the link has registers behind its memories.
    """
    if text is None:
        design = LinkedEngine(tiny_network()[1].config, registered=registered)
        text = verilog.convert(design, name="linked_engine", emit_src=False)
    (folder / "linked_engine.v").write_text(text)
    command = [
        "verilator", "--cc", "--exe", "--build", "-O3", "--x-initial", "fast", "--x-assign", "fast",
        "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", "linked_engine", "--Mdir", "made",
        "-MAKEFLAGS", "OPT_FAST=-O2", "-MAKEFLAGS", "OPT_GLOBAL=-O1", "linked_engine.v", str(HARNESS),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Verilator failed: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return folder / "made" / "Vlinked_engine"

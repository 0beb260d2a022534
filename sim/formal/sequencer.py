"""A whole engine ends its inference in exactly the predicted clock, whatever the image is and however streams pause."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth import Signal, Value

from hw.graph import Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.engine import Engine
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem
from sim.formal.streams import keeps, source

BEFORE = 4
"""Clocks from the rise of ``run`` to the first instruction, at most."""


def smallest_config(program_words: int = 0) -> EngineConfig:
    """Return the least engine: 4 x 1 cells."""
    return EngineConfig(
        rows=4, cols=1, activation_bits=8, alphabet=Alphabet.s3(2), acc_width=12, scaled_width=14, output_shift=2,
        max_scale_shift=2, min_residual_shift=0, max_residual_shift=0, columns_per_requantizer=1, psum_depth=16,
        constant_depth=2, memory_words=64, memory=MemoryKind.BLOCK, tile_rows=2, tile_cols=1, registered_ram=False,
        coordinate_bits=4, mixed_bits=False, max_pool=False, argmax=True, watchdog_bits=10, program_words=program_words,
    )  # fmt: skip


def smallest_network() -> Network:
    """Return a convolution of 1 x 1 over two pixels, and two logits."""
    image = Tensor("image", 1, 1, 2, 8, 0, 8)
    hidden = Tensor("hidden", 1, 1, 2, 8, 0, 6)
    zero = np.zeros(1, np.int64)
    rescale = Rescale(zero, zero, zero + 2, zero, zero, zero + 2)
    convolution = Convolution(
        "convolution", "image", "hidden", np.ones((1, 1, 1, 1), np.int32), Alphabet.s3(2), (1, 1), Padding(), 1, False,
        rescale, None,
    )  # fmt: skip
    weight = np.array([[1, -1]], np.int32).reshape(1, 1, 1, 2)
    logits = Logits("logits", "hidden", weight, Alphabet.s3(2), np.zeros(1, np.int64), 6)
    network = Network("smallest", "image", {"image": image, "hidden": hidden}, (convolution, logits))
    network.validate()
    return network


def smallest_program(config: EngineConfig) -> CompiledNetwork:
    """Return the smallest network's program."""
    return compile_network(smallest_network(), config)


def engine_harness(
    compiled: CompiledNetwork, engine: Callable[..., Engine] = Engine, *, clocks: int | None = None
) -> Harness:
    """Run a program that lies in memory, with any image, offered in any clocks, and logits taken in any clocks.

    ``clocks`` are the predicted ones, by default the compiler's.
    """
    h = Harness()
    m = h.module
    predicted = compiled.predicted_cycles if clocks is None else clocks
    fragment, signals = inside(dut := engine(compiled.config, compiled.words))
    m.submodules.dut = fragment
    source(h, dut.image, "image")
    h.drive(dut.logits.ready, "logits_ready")
    h.drive(dut.klass.ready, "klass_ready")
    m.d.comb += dut.run.eq(1)

    busy = dut.status.busy
    running = Signal(range(predicted + 2))
    with m.If(~busy):
        m.d.sync += running.eq(0)
    with m.Elif(running <= predicted):
        m.d.sync += running.eq(running + 1)
    ended = h.past(busy) & ~busy
    h.claim("no inference takes longer than predicted", ~busy | (running <= predicted))
    h.claim("an inference ends in the predicted clock", ~ended | (h.past(running) == predicted))
    h.claim("the engine's counter says so too", ~ended | (dut.status.cycles == predicted))
    h.claim("the engine does not stop with an error", Value.cast(dut.status.error) == 0)
    h.claim("logits are kept until they are taken", keeps(h, dut.logits))
    h.claim("the class is kept until it is taken", keeps(h, dut.klass))
    writes = [signals[f"cluster0.{name}"] for name in ("image",)] + [signals["cluster0.output_stage.results_valid"]]
    h.claim("image and results are never written in one clock", ~(writes[0] & writes[1]))
    return h

"""A whole engine ends its inference in exactly the predicted clock, whatever the image is and however streams pause."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth import Signal, Value

from hw.graph import Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.engine import Engine
from hw.systolic.program import Opcode, encode, instruction_words
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem
from sim.formal.streams import source


def smallest_config(program_words: int = 0) -> EngineConfig:
    """Return the least engine: 4 x 1 cells."""
    return EngineConfig(
        rows=4, cols=1, activation_bits=8, alphabet=Alphabet.s3(2), acc_width=12, scaled_width=14, output_shift=2,
        max_scale_shift=2, min_residual_shift=0, max_residual_shift=0, columns_per_requantizer=1, psum_depth=16,
        constant_depth=2, memory_words=64, memory=MemoryKind.BLOCK, tile_rows=2, tile_cols=1, registered_ram=False,
        coordinate_bits=4, mixed_bits=False, max_pool=False, argmax=True, watchdog_bits=10, program_words=program_words,
    )  # fmt: skip


def smallest_network(*, convolution: bool) -> Network:
    """Return two logits of an image of two pixels, with or without a convolution of 1 x 1 before them."""
    image = Tensor("image", 1, 1, 2, 8, 0, 8)
    tensors, nodes, name = {"image": image}, [], "image"
    if convolution:
        name = "hidden"
        tensors[name] = Tensor(name, 1, 1, 2, 8, 0, 6)
        zero = np.zeros(1, np.int64)
        weight = np.ones((1, 1, 1, 1), np.int32)
        rescale = Rescale(zero, zero, zero + 2, zero, zero, zero + 2)
        nodes.append(
            Convolution("conv", "image", name, weight, Alphabet.s3(2), (1, 1), Padding(), 1, False, rescale, None)
        )
    weight = np.array([[1, -1], [0, 1]], np.int32).reshape(2, 1, 1, 2)
    logits = Logits("logits", name, weight, Alphabet.s3(2), np.zeros(2, np.int64), tensors[name].exponent)
    network = Network("smallest", "image", tensors, (*nodes, logits))
    network.validate()
    return network


def without_header(compiled: CompiledNetwork) -> list[int]:
    """Return a program from its ``INPUT`` on, which the engine runs from address 0: so much less to unroll.

    What the header checks, and the values of the output constants, do not change the clocks of an inference.
    """
    config = compiled.config
    size = instruction_words(config)
    opcodes = [word & 15 if i % size == 0 else None for i, word in enumerate(compiled.words)]
    begin = size + compiled.program.constants + size
    assert opcodes[begin] == Opcode.INPUT or size == 1
    # All but the last instruction and the closing word; then an end that goes back to the beginning.
    return [*compiled.words[begin : -1 - size], *encode(Opcode.END, config, target=0)]


def engine_harness(
    compiled: CompiledNetwork, engine: Callable[..., Engine] = Engine, *, clocks: int | None = None
) -> Harness:
    """Run a program that lies in memory, with any image, offered in any clocks, and logits taken in any clocks.

    ``clocks`` are the predicted ones, by default the compiler's.
    """
    h = Harness()
    m = h.module
    predicted = compiled.predicted_cycles if clocks is None else clocks
    fragment, signals = inside(dut := engine(compiled.config, without_header(compiled)))
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
    image, result = signals["cluster0.image"], signals["cluster0.output_stage.results_valid"]
    h.claim("image and results are never written in one clock", ~(image & result))
    return h


def program(*, convolution: bool, program_words: int = 64) -> CompiledNetwork:
    """Return the smallest network's program for the smallest engine."""
    return compile_network(smallest_network(convolution=convolution), smallest_config(program_words))


def theorem(name: str, clocks: int, *, convolution: bool, program_words: int = 64) -> Theorem:
    """Return the theorem for all runs of a number of clocks."""
    return Theorem(
        name,
        lambda: engine_harness(program(convolution=convolution, program_words=program_words)),
        Mode.BOUNDED,
        clocks,
        registers=True,
    )


THEOREMS = {
    "sequencer, linear layer": theorem("an inference of one layer ends in the predicted clock", 90, convolution=False),
}
"""Of whole engines."""

"""A whole engine ends its inference in exactly the predicted clock, whatever image it takes and whenever it is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth import Mux, Signal, Value

from hw.graph import Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.engine import Engine
from hw.systolic.program import Opcode, encode, instruction_words
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem


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


def without_constants(compiled: CompiledNetwork) -> list[int]:
    """Return a program whose ``INPUT`` follows the header: so much less to unroll.

    The values of the output constants do not change the clocks of an inference.
    """
    config = compiled.config
    size = instruction_words(config)
    opcodes = [word & 15 if i % size == 0 else None for i, word in enumerate(compiled.words)]
    begin = size + compiled.program.constants + size
    assert opcodes[begin] == Opcode.INPUT or size == 1
    # All but the last instruction and the closing word; then an end that goes back to the image.
    return [*compiled.words[:size], *compiled.words[begin : -1 - size], *encode(Opcode.END, config, target=size)]


def engine_harness(
    compiled: CompiledNetwork,
    pauses: tuple[int, int],
    engine: Callable[..., Engine] = Engine,
    *,
    clocks: int | None = None,
) -> Harness:
    """Run a program that lies in memory, with any image of two activations, and logits and class taken in any clocks.

    The image stream pauses so many clocks before its first and its second activation, ``clocks`` are the predicted
    ones, by default the compiler's. The pauses are fixed numbers: with free ones the prover takes hours.
    """
    h = Harness()
    m = h.module
    predicted = compiled.predicted_cycles if clocks is None else clocks
    fragment, signals = inside(dut := engine(compiled.config, without_constants(compiled)))
    m.submodules.dut = fragment
    payload = h.free(compiled.config.activation_bits, "image_payload")
    waited, taken = Signal(8), Signal(2)
    valid = (waited >= Mux(taken == 0, pauses[0], pauses[1])) & (taken < 2)
    m.d.comb += [dut.image.payload.eq(payload), dut.image.valid.eq(valid)]
    with m.If(dut.image.ready):
        m.d.sync += waited.eq(waited + 1)
        with m.If(valid):
            m.d.sync += [waited.eq(0), taken.eq(taken + 1)]
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
    late = Signal(range(predicted + 6))
    finished = Signal()
    with m.If(ended):
        m.d.sync += finished.eq(1)
    with m.If(taken == 2):
        m.d.sync += late.eq(Mux(late > predicted + 4, late, late + 1))
    h.claim("it does end", (late <= predicted + 3) | finished | ended)
    image, result = signals["cluster0.image"], signals["cluster0.output_stage.results_valid"]
    h.claim("image and results are never written in one clock", ~(image & result))
    return h


def program(*, convolution: bool, program_words: int = 64) -> CompiledNetwork:
    """Return the smallest network's program for the smallest engine."""
    return compile_network(smallest_network(convolution=convolution), smallest_config(program_words))


def theorem(pauses: tuple[int, int], *, convolution: bool, program_words: int = 64) -> Theorem:
    """Return the theorem for an image stream that pauses; it reaches beyond the end of the inference."""
    compiled = program(convolution=convolution, program_words=program_words)
    layers = "a convolution and a linear layer" if convolution else "a linear layer"
    where = "a program memory" if program_words else "one memory"
    return Theorem(
        f"an inference of {layers} from {where} ends in the predicted clock, image pauses {pauses}",
        lambda: engine_harness(compiled, pauses),
        Mode.BOUNDED,
        compiled.predicted_cycles + sum(pauses) + BEFORE,
        registers=True,
    )


BEFORE = 38
"""Clocks from the rise of ``run`` to the end of an image without pauses, and some behind the end, at least."""

PAUSES = ((0, 0), (1, 0), (0, 1), (3, 2), (2, 5))

THEOREMS = {
    f"sequencer, {'convolution' if convolution else 'linear layer'}, pauses {pauses}": theorem(
        pauses, convolution=convolution
    )
    for convolution in (False, True)
    for pauses in PAUSES
}
"""Of whole engines."""

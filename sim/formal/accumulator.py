"""Partial sums: what leaves the accumulator is the sum of all passes of the same output pixel."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Const, Mux, Signal, Value
from amaranth.hdl import signed

from hw.graph import Alphabet
from hw.systolic import timing
from hw.systolic.accumulator import Accumulator
from hw.systolic.config import EngineConfig, MemoryKind
from sim.formal.harness import Harness
from sim.formal.prove import Mode, Theorem


def smallest_config(tile_cols: int, image_planes: int, *, registered_ram: bool) -> EngineConfig:
    """Return the least engine with so many columns a tile, whose accumulators join so many image planes."""
    return EngineConfig(
        rows=8, cols=2, activation_bits=4, alphabet=Alphabet.s3(2), acc_width=10, scaled_width=14, output_shift=2,
        max_scale_shift=2, min_residual_shift=0, max_residual_shift=0, columns_per_requantizer=1, psum_depth=16,
        constant_depth=2, memory_words=64, memory=MemoryKind.BLOCK, tile_rows=2, tile_cols=tile_cols,
        registered_ram=registered_ram, image_planes=image_planes,
    )  # fmt: skip


def accumulator_harness(
    config: EngineConfig, accumulator: Callable[[EngineConfig], Accumulator] = Accumulator
) -> Harness:
    """Follow one output pixel, which the prover chooses, through passes over as many pixels as it likes.

    The first pass begins in the first clock that has a slot; later ones may begin anew or add. The slots of one pixel
    are ``timing.psum_loop`` clocks apart, and a pass that adds has no more pixels than the one before.
    """
    h = Harness()
    m = h.module
    m.submodules.dut = dut = accumulator(config)
    valid, start, first, shift = (h.free(1, name) for name in ("valid", "start", "first", "shift"))
    sums = h.free(len(dut.sums[0]), "sum")
    m.d.comb += [
        dut.slot.valid.eq(valid), dut.slot.start.eq(start), dut.slot.first.eq(first), dut.slot.shift.eq(shift),
        dut.sums[0].eq(sums),
    ]  # fmt: skip
    bits = (config.psum_depth - 1).bit_length()
    pixel, before = Signal(bits), Signal(bits)
    first_pass, has_begun = Signal(), Signal()
    m.d.comb += pixel.eq(Mux(start, 0, before + 1))
    with m.If(valid):
        m.d.sync += [before.eq(pixel), has_begun.eq(1), first_pass.eq(first)]
    # The first slot starts a first pass; the flag is the same for all slots of a pass.
    h.assume(~valid | has_begun | (start & first))
    h.assume(~valid | start | (first == first_pass))
    h.assume(~(valid & ~start & (before == config.psum_depth - 1)))
    chosen = h.constant(bits, "chosen")
    hit = valid & (pixel == chosen)
    known = Signal()
    with m.If(hit):
        m.d.sync += known.eq(1)
    h.assume(~hit | first | known)
    h.assume(~hit | ~_any(h.past(hit, clocks) for clocks in range(1, timing.psum_loop(config))))

    # The sum comes some clocks behind its slot, the partial sum one clock later.
    read = timing.psum_read(config)
    total = Signal(signed(config.acc_width))
    now, new, moved = (h.past(value, read) for value in (hit, first, shift))
    stored = Mux(moved, total << config.activation_bits, total) if config.image_planes == 2 else total
    with m.If(now):
        m.d.sync += total.eq(Mux(new, 0, stored) + sums.as_signed())
    h.claim("the partial sum is the sum of all passes", ~h.past(now) | (dut.psums[0] == total))
    if config.tile_cols > 1:
        kept = dut.psums[0] == h.past(dut.psums[0])
        h.claim("it stays until the next slot", h.past(valid, read + 1) | h.begins | kept)
    return h


def _any(values: object) -> Value:
    result: Value = Const(0)
    for value in values:  # type: ignore[attr-defined]
        result = result | value
    return result


def theorem(
    accumulator: Callable[[EngineConfig], Accumulator] = Accumulator,
    clocks: int = 16,
    *,
    tile_cols: int = 1,
    image_planes: int = 1,
    registered_ram: bool = False,
) -> Theorem:
    """Return the theorem for the least engine; of several columns' sums it claims that they stay, too.

    Parameters
    ----------
    accumulator : callable
        Makes the accumulator; a faulty one where the proof itself is tested.
    clocks : int
        For which the claims are proven.
    tile_cols, image_planes, registered_ram
        Of the engine's configuration.
    """
    planes = " and both image planes" if image_planes == 2 else ""
    stays = " and stays" if tile_cols > 1 else ""
    ram = ", behind a block RAM's register" if registered_ram else ""
    config = smallest_config(tile_cols, image_planes, registered_ram=registered_ram)
    return Theorem(
        f"a partial sum is the sum of all passes{planes} of its output pixel{stays}{ram}",
        lambda: accumulator_harness(config, accumulator),
        Mode.BOUNDED,
        clocks,
    )

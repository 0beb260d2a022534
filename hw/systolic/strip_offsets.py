"""How far a strip of output rows lies behind the first one, in memory and in rows of the input map."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Module, Signal, Value
from amaranth.lib import data

from hw.systolic.config import EngineConfig


@dataclass(frozen=True)
class StripOffsets:
    """Registers that are added to the addresses of a layer's passes and tiles.

    Attributes
    ----------
    input, output, residual : Signal, unsigned(address_bits)
        Words, for operands, results and residual operands.
    y : Signal, unsigned(coordinate_bits)
        Rows of the input map.
    """

    input: Signal
    output: Signal
    residual: Signal
    y: Signal


def strip_offsets(
    m: Module,
    config: EngineConfig,
    steps: data.View[data.StructLayout],
    *,
    restart: Signal,
    advance: Signal,
    view: Signal,
    phase: Value,
) -> StripOffsets:
    """Add the registers to a module: 0 a clock after ``restart``, a step larger a clock after ``advance``.

    ``steps`` are the fields of :data:`~hw.systolic.program.STRIP`. An engine without ``strip_loops`` has zeros, but for
    the input's, which one with ``norm_bits`` sets to ``phase`` a clock after ``view``.
    """
    widths = {"input": config.address_bits, "y": config.coordinate_bits}
    widths |= {"output": config.address_bits, "residual": config.address_bits}
    offsets = {part: Signal(width, name=f"{part}_offset", reset_less=True) for part, width in widths.items()}
    for part, offset in offsets.items():
        moves = part == "input" and config.norm_bits > 0
        if not config.strip_loops and not moves:
            m.d.comb += offset.eq(0)
            continue
        with m.If(restart):
            m.d.sync += offset.eq(0)
        if config.strip_loops:
            with m.If(advance):
                m.d.sync += offset.eq(offset + steps[f"{part}_step"])
        if moves:
            with m.If(view):
                m.d.sync += offset.eq(phase)
    return StripOffsets(**offsets)

"""How a layer's input map wraps around, as the sequencer keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Module, Signal
from amaranth.lib import data

from hw.systolic.config import EngineConfig


@dataclass(frozen=True)
class ViewRegister:
    """Registers of the instruction ``VIEW``.

    Attributes
    ----------
    wrapping : Signal
        The layer has one.
    x_wrap, y_wrap : Signal, unsigned(address_bits)
        Its steps.
    """

    wrapping: Signal
    x_wrap: Signal
    y_wrap: Signal


def view_register(
    m: Module, config: EngineConfig, fields: data.View[data.StructLayout], *, clear: Signal, take: Signal
) -> ViewRegister:
    """Add the registers to a module: they have ``fields`` a clock after ``take``, and wrap nothing after ``clear``.

    In an engine that is not ``circular`` they are zeros.
    """
    wrapping = Signal(name="wrapping_register", reset_less=True)
    steps = {
        name: Signal(config.address_bits, name=f"{name}_register", reset_less=True) for name in ("x_wrap", "y_wrap")
    }
    if config.circular:
        with m.If(clear):
            m.d.sync += wrapping.eq(0)
        with m.If(take):
            m.d.sync += [wrapping.eq(1), *(step.eq(fields[name]) for name, step in steps.items())]
    return ViewRegister(wrapping, **steps)

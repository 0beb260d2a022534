"""Delay lines."""

from __future__ import annotations

from amaranth import Module, Signal, Value


def delayed(m: Module, value: Value, clocks: int, name: str, *, reset_less: bool = True) -> Value:
    """Return ``value`` as it was ``clocks`` clocks ago; 0 gives ``value`` itself.

    Data needs no reset; a tag that must be low after reset is delayed with ``reset_less=False``.
    """
    return delay_line(m, value, clocks, name, reset_less=reset_less)[clocks]


def delay_line(m: Module, value: Value, clocks: int, name: str, *, reset_less: bool = True) -> list[Value]:
    """Return ``[value, value one clock ago, ..., value clocks ago]``."""
    taps: list[Value] = [value]
    for i in range(clocks):
        stage = Signal.like(value, name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += stage.eq(taps[-1])
        taps.append(stage)
    return taps

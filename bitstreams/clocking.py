"""The engine's clock domain and its reset."""

from __future__ import annotations

from amaranth import ClockDomain, Module, Signal
from amaranth.lib.cdc import FFSynchronizer


def add_domain(m: Module, clock: Signal, locked: Signal) -> Signal:
    """Add the domain ``sync`` on ``clock``; return the reset, high until the PLL is locked.

    The domain itself has no reset: flip-flops begin with their initial values, and an engine is stopped by ``run``. A
    second reset would put a table into the widest net of a large engine.
    """
    m.domains.sync = domain = ClockDomain("sync", reset_less=True)
    m.d.comb += domain.clk.eq(clock)
    reset = Signal(init=1)
    m.submodules.reset = FFSynchronizer(~locked, reset, init=1)
    return reset

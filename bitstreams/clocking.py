"""Reset of the engine's clock domain."""

from __future__ import annotations

from amaranth import ClockDomain, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer


def add_domain(m: Module, clock: Signal, locked: Signal) -> None:
    """Add the domain ``sync`` on ``clock``, held in reset until the PLL is locked."""
    m.domains.sync = domain = ClockDomain("sync")
    m.d.comb += domain.clk.eq(clock)
    m.submodules.reset = ResetSynchronizer(~locked, domain="sync")

"""The engine's clock domain: its reset, and the iCE40's PLL."""

from __future__ import annotations

from amaranth import ClockDomain, Const, Instance, Module, Signal, Value
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


def add_ice40_pll(m: Module, pin: Value, *, multiply: int, log2_divide: int, pad: bool) -> tuple[Signal, Signal]:
    """Add the domain ``sync`` at ``12 MHz * multiply / 2^log2_divide``; ``pad``: the pin drives the PLL directly."""
    clock = Signal()
    locked = Signal()
    m.submodules.pll = Instance(
        "SB_PLL40_PAD" if pad else "SB_PLL40_CORE",
        ("i", "PACKAGEPIN" if pad else "REFERENCECLK", pin),
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=0,
        p_DIVF=multiply - 1,
        p_DIVQ=log2_divide,
        p_FILTER_RANGE=1,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    return clock, add_domain(m, clock, locked)

"""The PLLs of iCE40 and ECP5: settings for a clock, and the instances that make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from amaranth import Const, Instance, Module, Signal, Value

from bitstreams.clocking import add_domain
from hw.devices import Family


@dataclass(frozen=True)
class Setting:
    """Dividers of a PLL: its oscillator runs at ``input / reference * multiply``, its output at that over ``divide``.

    Attributes
    ----------
    reference, multiply, divide : int
        Whole numbers, 1 or more.
    mhz : float
        The output.
    """

    reference: int
    multiply: int
    divide: int
    mhz: float


@dataclass(frozen=True)
class Limits:
    """What a family's PLL can do; MHz.

    Attributes
    ----------
    phase : tuple of float
        Least and greatest frequency of the phase detector.
    oscillator : tuple of float
        Least and greatest frequency of its own oscillator.
    references, multiplies, divides : tuple of int
        Values that the dividers can have.
    """

    phase: tuple[float, float]
    oscillator: tuple[float, float]
    references: tuple[int, ...]
    multiplies: tuple[int, ...]
    divides: tuple[int, ...]


LIMITS = {
    # Lattice FPGA-TN-02052 (iCE40 sysCLOCK): DIVR 0..15, DIVF 0..127, DIVQ 1..6; SIMPLE feedback.
    Family.ICE40: Limits((10, 133), (533, 1066), tuple(range(1, 17)), tuple(range(1, 129)), (2, 4, 8, 16, 32, 64)),
    # Lattice FPGA-TN-02200 (ECP5 sysCLOCK) and the data sheet's EHXPLLL table; feedback from CLKOP, output CLKOS.
    Family.ECP5: Limits((10, 400), (400, 800), tuple(range(1, 129)), tuple(range(1, 129)), tuple(range(1, 129))),
}
"""By family."""


def settings(family: Family, input_mhz: float) -> Iterator[Setting]:
    """Yield every setting within the family's limits."""
    limits = LIMITS[family]
    for reference in limits.references:
        phase = input_mhz / reference
        if not limits.phase[0] <= phase <= limits.phase[1]:
            continue
        for multiply in limits.multiplies:
            oscillator = phase * multiply
            if limits.oscillator[0] <= oscillator <= limits.oscillator[1]:
                for divide in limits.divides:
                    yield Setting(reference, multiply, divide, oscillator / divide)


def fastest_setting(
    family: Family, input_mhz: float, most_mhz: float, suits: Callable[[float], bool] = lambda mhz: True
) -> Setting:
    """Return the setting of the fastest clock up to ``most_mhz`` that suits, of equal ones the slowest oscillator's.

    Raises
    ------
    ValueError
        If the PLL cannot make so slow a clock.
    """
    within = [s for s in settings(family, input_mhz) if s.mhz <= most_mhz * (1 + 1e-9) and suits(s.mhz)]
    if not within:
        raise ValueError(f"the {family.value} PLL makes no clock of {most_mhz:g} MHz or less from {input_mhz:g} MHz")
    return max(within, key=lambda s: (round(s.mhz, 6), -s.multiply, -s.reference))


def filter_range(phase_mhz: float) -> int:
    """Return the iCE40's setting of the loop's filter for the phase detector's frequency."""
    return 1 + sum(phase_mhz >= edge for edge in (17, 26, 44, 66, 101))


def add_ice40_pll(m: Module, pin: Value, input_mhz: float, setting: Setting, *, pad: bool) -> tuple[Signal, Signal]:
    """Add the domain ``sync`` from a PLL; return its clock and the reset. ``pad``: the pin drives the PLL directly."""
    clock = Signal()
    locked = Signal()
    m.submodules.pll = Instance(
        "SB_PLL40_PAD" if pad else "SB_PLL40_CORE",
        ("i", "PACKAGEPIN" if pad else "REFERENCECLK", pin),
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=setting.reference - 1,
        p_DIVF=setting.multiply - 1,
        p_DIVQ=setting.divide.bit_length() - 1,
        p_FILTER_RANGE=filter_range(input_mhz / setting.reference),
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    return clock, add_domain(m, clock, locked)


def add_ecp5_pll(m: Module, pin: Value, setting: Setting) -> tuple[Signal, Signal]:
    """Add the domain ``sync`` from a PLL; return its clock and the reset.

    CLKOP has the phase detector's frequency and is fed back; CLKOS is the clock, so that it need not be a multiple.
    """
    clock = Signal()
    feedback = Signal()
    locked = Signal()
    m.submodules.pll = Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_CLKI_DIV=setting.reference,
        p_CLKFB_DIV=1,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=setting.multiply,
        p_CLKOP_CPHASE=setting.multiply // 2,
        p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_DIV=setting.divide,
        p_CLKOS_CPHASE=setting.divide // 2,
        p_CLKOS_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=pin,
        i_CLKFB=feedback,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        i_ENCLKOS=Const(0),
        o_CLKOP=feedback,
        o_CLKOS=clock,
        o_LOCK=locked,
    )
    return clock, add_domain(m, clock, locked)

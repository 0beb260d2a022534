"""Radiona ULX3S with the LFE5U-85F: 25 MHz oscillator, FTDI UART."""

from __future__ import annotations

from typing import Any

from amaranth import Const, Instance, Module, Signal
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from bitstreams.board import Board
from bitstreams.clocking import add_domain
from hw.devices import ECP5_85

CLOCK_MHZ = 100.0


def add_clock(m: Module, platform: Any) -> tuple[Signal, Signal]:
    """PLL: 25 MHz * 4 = 100 MHz, oscillator of the PLL at 600 MHz."""
    pin = platform.request("clk25", dir="i")
    clock = Signal()
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
        p_CLKI_DIV=1,
        p_CLKFB_DIV=4,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=6,
        p_CLKOP_CPHASE=2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=pin.i,
        i_CLKFB=clock,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=clock,
        o_LOCK=locked,
    )
    return clock, add_domain(m, clock, locked)


ULX3S_85F = Board(
    name="ulx3s_85f",
    title="ULX3S (ECP5 LFE5U-85F)",
    device=ECP5_85,
    platform=ULX3S_85F_Platform,
    clock_mhz=CLOCK_MHZ,
    baud=1_000_000,
    add_clock=add_clock,
    nextpnr=("--85k", "--package", "CABGA381", "--speed", "6"),
)

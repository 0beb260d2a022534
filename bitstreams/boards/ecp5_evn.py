"""Lattice ECP5 evaluation board: LFE5UM5G-85F, 12 MHz oscillator, FTDI UART behind jumpers."""

from __future__ import annotations

from amaranth_boards.ecp5_5g_evn import ECP55GEVNPlatform

from bitstreams.board import Board, openfpgaloader
from hw.devices import ECP5_5G_85

ECP5_EVN = Board(
    name="ecp5_evn",
    title="ECP5 evaluation board (LFE5UM5G-85F)",
    device=ECP5_5G_85,
    platform=ECP55GEVNPlatform,
    oscillator="clk12",
    clock_mhz=144.0,
    baud=3_000_000,
    nextpnr=("--um5g-85k", "--package", "CABGA381", "--speed", "8"),
    note="the UART needs its resistors, see the board's manual",
    loader=openfpgaloader("ecp5_evn"),
)

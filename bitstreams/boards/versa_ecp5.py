"""Lattice ECP5 Versa: LFE5UM-45F, 100 MHz oscillator, FTDI UART."""

from __future__ import annotations

from amaranth_boards.versa_ecp5 import VersaECP5Platform

from bitstreams.board import Board, openfpgaloader
from hw.devices import ECP5_UM_45

VERSA_ECP5 = Board(
    name="versa_ecp5",
    title="ECP5 Versa (LFE5UM-45F)",
    device=ECP5_UM_45,
    platform=VersaECP5Platform,
    oscillator="clk100",
    clock_mhz=140.0,
    baud=3_000_000,
    nextpnr=("--um-45k", "--package", "CABGA381", "--speed", "8"),
    loader=openfpgaloader("ecp5_generic", "-c", "ft2232"),
)

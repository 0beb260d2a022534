"""Lattice iCE40-HX8K breakout board: 12 MHz oscillator, FTDI UART."""

from __future__ import annotations

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from bitstreams.board import Board, openfpgaloader
from hw.devices import HX8K

HX8K_EVN = Board(
    name="hx8k_evn",
    title="iCE40-HX8K breakout board",
    device=HX8K,
    platform=ICE40HX8KBEVNPlatform,
    oscillator="clk12",
    clock_mhz=94.5,
    baud=3_000_000,
    nextpnr=("--hx8k", "--package", "ct256"),
    loader=openfpgaloader("ice40_generic"),
)

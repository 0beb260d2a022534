"""What the tools are given for a board: the design and its pins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from bitstreams.board import Board
from bitstreams.flash import NETWORK_ADDRESS
from bitstreams.stored import StoredNetwork
from bitstreams.toolchain import Toolchain
from bitstreams.top import Top, Transport
from hw.bus import FlashReader
from hw.bus.frame_types import REQUEST
from hw.devices import Family
from hw.systolic.config import EngineConfig, MemoryKind


@dataclass(frozen=True)
class BoardDesign:
    """An engine on a board, before synthesis.

    Attributes
    ----------
    rtlil : str
        The design, with the top module ``top``.
    pins_name, pins : str
        The file of pin constraints.
    """

    rtlil: str
    pins_name: str
    pins: str


def board_top(
    board: Board, config: EngineConfig, *, link: Transport = "uart", stored: StoredNetwork | None = None
) -> Top:
    """Return a board's top level: with SPRAM the network comes from the flash, else the bitstream may bring it."""
    spram = config.memory is MemoryKind.SPRAM
    boot = FlashReader(NETWORK_ADDRESS, begins=REQUEST) if spram else None
    return Top(board, config, link=link, boot=boot, stored=None if spram else stored)


def board_design(
    board: Board, config: EngineConfig, *, link: Transport = "uart", stored: StoredNetwork | None = None
) -> BoardDesign:
    """Return what Yosys and nextpnr read; see :func:`board_top`.

    Raises
    ------
    ValueError
        If the board has no pins for the link.
    """
    board.check_link(link)
    with _quiet_tools():
        plan = board.make_platform().build(
            board_top(board, config, link=link, stored=stored), do_build=False, build_dir="build"
        )
    pins_name = "top.pcf" if board.device.family is Family.ICE40 else "top.lpf"
    return BoardDesign(_text(plan.files["top.il"]), pins_name, _text(plan.files[pins_name]))


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content


@contextlib.contextmanager
def _quiet_tools() -> Iterator[None]:
    """amaranth-boards looks for its tools when a plan is made; nothing is run here."""
    names = {"YOSYS": "yosys", "NEXTPNR_ICE40": "nextpnr-ice40", "ICEPACK": "icepack",
             "NEXTPNR_ECP5": "nextpnr-ecp5", "ECPPACK": "ecppack"}  # fmt: skip
    before = dict(os.environ)
    tools = Toolchain()
    try:
        os.environ.update({variable: tools.command(tool) for variable, tool in names.items()})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

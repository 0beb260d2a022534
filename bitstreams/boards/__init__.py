"""The boards, one file each."""

from __future__ import annotations

from bitstreams.board import Board
from bitstreams.boards.colorlight_i5 import COLORLIGHT_I5
from bitstreams.boards.ecp5_evn import ECP5_EVN
from bitstreams.boards.hx8k_evn import HX8K_EVN
from bitstreams.boards.icebreaker import ICEBREAKER
from bitstreams.boards.icesugar import ICESUGAR
from bitstreams.boards.orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from bitstreams.boards.tinyfpga_bx import TINYFPGA_BX
from bitstreams.boards.ulx3s import ULX3S_12F, ULX3S_45F, ULX3S_85F
from bitstreams.boards.upduino_v3 import UPDUINO_V3
from bitstreams.boards.versa_ecp5 import VERSA_ECP5

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        ICEBREAKER, ICESUGAR, UPDUINO_V3, HX8K_EVN, TINYFPGA_BX, ULX3S_12F, ULX3S_45F, ULX3S_85F, COLORLIGHT_I5,
        ORANGECRAB_25F, ORANGECRAB_85F, VERSA_ECP5, ECP5_EVN,
    )
}  # fmt: skip
"""All boards by name."""

__all__ = ["BOARDS", "board_by_name"]


def board_by_name(name: str) -> Board:
    """Return a board; ``ValueError`` naming the known ones."""
    if name not in BOARDS:
        raise ValueError(f"board {name!r} is unknown, supported are {', '.join(sorted(BOARDS))}")
    return BOARDS[name]

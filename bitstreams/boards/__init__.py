"""The boards, one file each."""

from __future__ import annotations

from bitstreams.board import Board
from bitstreams.boards.hx8k_evn import HX8K_EVN
from bitstreams.boards.icebreaker import ICEBREAKER
from bitstreams.boards.ulx3s_85f import ULX3S_85F

BOARDS = {board.name: board for board in (ICEBREAKER, HX8K_EVN, ULX3S_85F)}
"""All boards by name."""

__all__ = ["BOARDS", "board_by_name"]


def board_by_name(name: str) -> Board:
    """Return a board; ``ValueError`` naming the known ones."""
    if name not in BOARDS:
        raise ValueError(f"board {name!r} is unknown, supported are {', '.join(sorted(BOARDS))}")
    return BOARDS[name]

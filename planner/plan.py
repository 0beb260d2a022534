"""Which engine: the shapes that are worth having, smallest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitstreams.board import Board
from hw.graph import Network
from hw.systolic.compiler import CompileError
from hw.systolic.search import Candidate, search


@dataclass(frozen=True, eq=False)
class Plan:
    """The engines of a board that no other one beats in both speed and size.

    Where none is sure to fit, the front is of close ones.

    Attributes
    ----------
    board : Board
        Where.
    front : tuple of Candidate
        The smallest first; each is faster than all before it.
    chosen : Candidate
        One of them.
    why : str
        Why it was chosen.
    tried : int
        Engines that fit.
    close : tuple of Candidate
        Faster ones that may not fit.
    """

    board: Board
    front: tuple[Candidate, ...]
    chosen: Candidate
    why: str
    tried: int
    close: tuple[Candidate, ...] = ()

    def images_per_s(self, candidate: Candidate) -> float:
        """Return an engine's speed at the board's clock."""
        return candidate.images_per_clock * self.board.clock_mhz * 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON types."""
        rows = [
            {
                "rows": c.config.rows,
                "cols": c.config.cols,
                "clusters": c.config.clusters,
                "columns_per_requantizer": c.config.columns_per_requantizer,
                "luts": c.area.luts,
                "block_rams": c.area.block_rams,
                "cycles": c.cycles,
                "busy": round(c.busy, 4),
                "images_per_s": round(self.images_per_s(c), 1),
                "chosen": c is self.chosen,
                "close": c.close,
            }
            for c in (*self.front, *self.close)
        ]
        return {"board": self.board.name, "front": rows, "why": self.why, "tried": self.tried}


def plan(
    networks: Sequence[Network],
    board: Board,
    *,
    target_fps: float | None = None,
    max_luts: int | None = None,
    **pinned: int,
) -> Plan:
    """Search the engines for networks on a board.

    Parameters
    ----------
    networks : sequence of Network
        What the engine is to run, one at a time; the first one's speed counts.
    board : Board
        Where.
    target_fps : float or None
        Images a second that are enough: the smallest engine that reaches them is chosen. Without it, the fastest.
    max_luts : int or None
        Most lookup tables (iCE40: logic cells), as predicted.
    pinned : int
        ``rows``, ``cols``, ``clusters``, ``columns_per_requantizer``: fixed to this.

    Raises
    ------
    CompileError
        If nothing fits, or nothing that fits is small and fast enough, with the numbers of what comes nearest.
    """
    found = search(networks, board.device, **pinned)
    small = [c for c in found if max_luts is None or c.area.luts <= max_luts]
    if not small:
        least = min(found, key=lambda c: c.area.luts)
        raise CompileError(
            f"no engine takes {max_luts:,} lookup tables or fewer on {board.name}; the smallest takes about "
            f"{least.area.luts:,}"
        )
    sure = [c for c in small if not c.close] or small
    front = _front(sure)
    fastest = front[-1]
    close = tuple(c for c in _front(small) if c.images_per_clock > fastest.images_per_clock)
    clock = board.clock_mhz * 1e6
    if target_fps is None:
        return Plan(board, front, fastest, "the fastest", len(sure), close)
    enough = next((c for c in front if c.images_per_clock * clock >= target_fps), None)
    if enough is None:
        raise CompileError(
            f"no engine on {board.name} makes {target_fps:,g} images/s at {board.clock_mhz:g} MHz; the fastest makes "
            f"{fastest.images_per_clock * clock:,.0f}"
        )
    return Plan(board, front, enough, f"the smallest that makes {target_fps:,g} images/s", len(sure), close)


def _front(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return those that no other one beats, the smallest first."""
    front: list[Candidate] = []
    for candidate in sorted(found, key=lambda c: (c.area.luts, -c.images_per_clock)):
        if not front or candidate.images_per_clock > front[-1].images_per_clock:
            front.append(candidate)
    return tuple(front)

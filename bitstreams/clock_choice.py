"""The PLL's clock from what the placed design reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bitstreams.board import Board
from bitstreams.flow import BoardResult, Report, build_board
from bitstreams.toolchain import ToolError
from hw.systolic.config import EngineConfig

MARGIN = 0.03
"""Of the slowest seed's fmax that the clock stays below it."""

WASTE = 0.12
"""Of the slowest seed's fmax that the clock may be below it before a faster one is tried."""

ROUNDS = 4


def build_at_best_clock(
    board: Board, config: EngineConfig, out: Path, cache: Path, *, report: Report = lambda message: None, **options: Any
) -> BoardResult:
    """Build a bitstream whose clock every seed's placement reaches, with margin.

    The board's clock is the first try. Where the slowest seed does not reach it with :data:`MARGIN`, or is faster by
    more than :data:`WASTE`, the PLL is set anew and the design is placed again, since the UART's divisor changes with
    it.

    Parameters
    ----------
    board, config, out, cache, report, options
        As in :func:`~bitstreams.flow.build_board`.

    Raises
    ------
    ToolError
        If the engine does not fit, a tool fails, or no clock is reached in :data:`ROUNDS` placements.
    """

    def build(at: Board) -> BoardResult:
        return build_board(at, config, out, cache, report=report, **options)

    met: list[tuple[float, Board]] = []
    tried: list[float] = []
    clock = board
    for _ in range(ROUNDS):
        result = build(clock)
        slowest = float(result.fmax_mhz["min"])
        tried.append(slowest)
        if clock.clock_mhz <= slowest * (1 - MARGIN):
            met.append((clock.clock_mhz, clock))
            if clock.clock_mhz >= slowest * (1 - WASTE) or len(met) > 1:
                break
        # Once a clock is met, the last placement says how much more there is. Before that, the slowest of all, with
        # twice the margin: another clock is another placement, which may be as much slower.
        following = clock.at(tried[-1] * (1 - MARGIN) if met else min(tried) * (1 - 2 * MARGIN))
        if following.clock_mhz == clock.clock_mhz or any(following.clock_mhz <= mhz for mhz, _ in met):
            break
        report(f"{board.title}: the slowest seed reaches {slowest} MHz, the PLL goes to {following.clock_mhz:.4g} MHz")
        clock = following
    if not met:
        speeds = ", ".join(f"{speed:g}" for speed in tried)
        raise ToolError(
            f"{board.title}: no PLL clock was reached with {MARGIN:.0%} margin; slowest seeds: {speeds} MHz"
        )
    best = max(met, key=lambda pair: pair[0])[1]
    # The last build may be another one; this one is in the cache.
    return result if best == clock else build(best)

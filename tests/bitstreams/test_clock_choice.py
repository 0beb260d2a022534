from dataclasses import replace

import pytest

from bitstreams import clock_choice
from bitstreams.boards import BOARDS
from bitstreams.clock_choice import MARGIN, build_at_best_clock
from bitstreams.flow import BoardResult
from bitstreams.toolchain import ToolError

RESULT = BoardResult("ulx3s_85f", 1, 1, 1, 1, 0, 0, {}, 0.0, "x.bit")


def choose(monkeypatch, board, speeds):
    """Return the result and the clocks that were placed, where placements reach ``speeds`` one after another."""
    clocks = []
    results = {}

    def build(at, config, out, cache, *, report):
        if at.clock_mhz not in results:
            clocks.append(at.clock_mhz)
            fmax = {"min": speeds[len(clocks) - 1]}
            results[at.clock_mhz] = replace(RESULT, fmax_mhz=fmax, clock_mhz=at.clock_mhz)
        return results[at.clock_mhz]

    monkeypatch.setattr(clock_choice, "build_board", build)
    return build_at_best_clock(board, None, None, None), clocks


BOARD = BOARDS["ulx3s_85f"].at(112.5)


def test_a_clock_that_is_met_and_near_is_kept(monkeypatch):
    result, clocks = choose(monkeypatch, BOARD, [120.0])
    assert result.clock_mhz == 112.5 and clocks == [112.5]


def test_a_clock_that_is_missed_or_met_without_margin_is_lowered(monkeypatch):
    for first, second in ((100.0, 104.0), (113.0, 114.0)):
        result, clocks = choose(monkeypatch, BOARD, [first, second])
        assert len(clocks) == 2 and result.clock_mhz == clocks[1] <= first * (1 - MARGIN) < 112.5


def test_a_design_that_is_much_faster_gets_a_faster_clock(monkeypatch):
    result, clocks = choose(monkeypatch, BOARD, [150.0, 151.0])
    assert len(clocks) == 2 and 140 < result.clock_mhz <= 150 * (1 - MARGIN)


def test_a_faster_clock_that_is_missed_is_not_taken(monkeypatch):
    result, clocks = choose(monkeypatch, BOARD, [150.0, 118.0, 90.0])
    assert len(clocks) == 3 and result.clock_mhz == 112.5


def test_without_any_clock_there_is_no_bitstream(monkeypatch):
    with pytest.raises(ToolError, match=r"no PLL clock was reached with 3% margin; slowest seeds: 100, 90, 80, 70 MHz"):
        choose(monkeypatch, BOARD, [100.0, 90.0, 80.0, 70.0])


def test_the_result_is_at_least_met_with_margin_for_many_speeds(monkeypatch):
    for first in range(60, 240, 7):
        for second in (0.9, 0.99, 1.01):
            try:
                result, _ = choose(monkeypatch, BOARD, [first, first * second, first * 0.95, first * 0.9, first * 0.8])
            except ToolError:
                continue
            assert result.clock_mhz <= result.fmax_mhz["min"] * (1 - MARGIN)

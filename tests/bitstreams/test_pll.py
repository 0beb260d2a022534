import re
from fractions import Fraction

import pytest
from amaranth import Module
from amaranth.back import rtlil

from bitstreams.boards import BOARDS
from bitstreams.pll import LIMITS, fastest_setting, filter_range, settings
from bitstreams.toolchain import Toolchain
from hw.devices import Family

CLOCKS = [(Family.ICE40, mhz) for mhz in (12, 16, 48, 100)] + [(Family.ECP5, mhz) for mhz in (12, 25, 48, 100, 200)]


@pytest.mark.parametrize(("family", "source"), CLOCKS)
def test_every_setting_is_within_the_limits_and_makes_what_it_says(family, source):
    limits = LIMITS[family]
    count = 0
    for setting in settings(family, source):
        phase = source / setting.reference
        assert limits.phase[0] <= phase <= limits.phase[1]
        assert limits.oscillator[0] <= phase * setting.multiply <= limits.oscillator[1]
        assert setting.mhz == phase * setting.multiply / setting.divide
        count += 1
    assert count > 100


@pytest.mark.parametrize(
    ("source", "clock"),
    [(12, 40.5), (12, 84), (12, 48), (16, 60), (12, 30), (100, 40), (48, 66), (25, 50), (12, 100.5)]
    + [(mhz, mhz) for mhz in (17, 25, 26, 43, 44, 65, 66, 100, 101, 130)],
)
def test_ice40_settings_are_those_of_icepll(source, clock, tmp_path):
    answer = Toolchain().run("icepll", ["-i", str(source), "-o", str(clock)], tmp_path, "log")
    field = {name: int(value) for name, value in re.findall(r"(DIV[RFQ]|FILTER_RANGE): +(\d+)", answer)}
    setting = fastest_setting(Family.ICE40, source, clock)
    assert setting.mhz == clock
    # Dividers may share a factor; the filter's range follows the phase detector's frequency.
    assert Fraction(setting.multiply, setting.reference * setting.divide) == Fraction(
        field["DIVF"] + 1, (field["DIVR"] + 1) << field["DIVQ"]
    )
    assert filter_range(source / (field["DIVR"] + 1)) == field["FILTER_RANGE"]


@pytest.mark.parametrize(("family", "source"), CLOCKS)
@pytest.mark.parametrize("most", [33.3, 41.7, 99.9, 123.4])
def test_no_other_setting_is_nearer_below(family, source, most):
    best = fastest_setting(family, source, most)
    slack = 1e-9 * most
    assert best.mhz <= most + slack
    assert not [s for s in settings(family, source) if best.mhz + slack < s.mhz <= most]


def test_a_clock_that_is_too_slow_is_refused():
    with pytest.raises(ValueError, match="the ice40 PLL makes no clock of 3 MHz or less from 12 MHz"):
        fastest_setting(Family.ICE40, 12, 3)


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_the_clock_in_a_boards_file_is_one_its_pll_makes(board):
    assert board.pll.mhz == board.clock_mhz
    assert board.at(board.clock_mhz) == board


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_boards_clocks_make_its_baud_rate(board):
    for mhz in range(30, 60) if board.device.sprams else range(60, 160, 3):
        clock_hz = round(board.at(mhz).clock_mhz * 1e6)
        assert clock_hz <= mhz * 1e6 and clock_hz > 0.88 * mhz * 1e6
        assert abs(2 * clock_hz / round(2 * clock_hz / board.baud) / board.baud - 1) <= 0.01


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_boards_pll_has_its_dividers(board):
    m = Module()
    platform = board.make_platform()
    platform.prepare = None
    board.add_clock(m, platform)
    text = rtlil.convert(m, ports=[])
    s = board.pll
    expected = (
        {"DIVR": s.reference - 1, "DIVF": s.multiply - 1, "DIVQ": s.divide.bit_length() - 1}
        if board.device.family is Family.ICE40
        else {"CLKI_DIV": s.reference, "CLKFB_DIV": 1, "CLKOP_DIV": s.multiply, "CLKOS_DIV": s.divide}
    )
    for name, value in expected.items():
        assert f"parameter \\{name} {value}\n" in text

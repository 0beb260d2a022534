"""Two builds side by side: the same figures as in each one's report."""

import json

import pytest
from typer.testing import CliRunner

from bitstreams.boards import board_by_name
from cli.main import app
from report.comparison import Row, compare_builds
from report.facts import collect
from tests.report.test_report import made, place


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds")
    made(folder / "a")
    place(folder / "a")
    made(folder / "b", "digits-mlp", "hx8k_evn")
    return folder


def facts(build, board):
    from hw.systolic.build import open_build

    return collect(open_build(build), board_by_name(board))


def test_the_figures_are_those_of_the_reports(builds):
    a, b = facts(builds / "a", "ulx3s_85f"), facts(builds / "b", "hx8k_evn")
    rows = {row.what: row for row in compare_builds(a, b)}
    assert (rows["clocks an image"].a, rows["clocks an image"].b) == (a["speed"]["cycles"], b["speed"]["cycles"])
    assert rows["clocks an image"].ratio == b["speed"]["cycles"] / a["speed"]["cycles"]
    assert (rows["clock"].a, rows["clock"].b) == (125.5, board_by_name("hx8k_evn").clock_mhz)
    assert (rows["lookup tables, placed"].a, rows["lookup tables, placed"].b) == (7000, None)
    assert rows["lookup tables, placed"].ratio is None
    assert rows["lookup tables, predicted"].b == b["size"][0]["predicted"]
    assert (rows["array"].a, rows["array"].b) == ("8 x 8", "8 x 4")
    # Layers that only one of them has are there as well, each with its own clocks.
    layers = {row.what: (row.a, row.b) for row in rows.values() if row.what.startswith("clocks of ")}
    assert layers["clocks of stem_block"] == (a["layers"][0]["clocks"], None)
    assert sum(x or 0 for x, _ in layers.values()) == a["speed"]["cycles"]
    assert sum(y or 0 for _, y in layers.values()) == b["speed"]["cycles"]


def test_the_verb_prints_them_and_says_them_as_json(builds):
    arguments = ["compare", str(builds / "a"), str(builds / "b")]
    text = CliRunner().invoke(app, arguments).output
    assert "10,958" in text and "lookup tables, placed" in text
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    row = next(row for row in found["rows"] if row["what"] == "clocks an image")
    assert row["a"] == 10958 and row["ratio"] == round(row["b"] / row["a"], 4)
    assert found["first"] == str(builds / "a")


def test_a_folder_that_is_no_build_is_named(builds, tmp_path):
    result = CliRunner().invoke(app, ["compare", str(builds / "a"), str(tmp_path)])
    assert result.exit_code == 1 and f"{tmp_path}: not a build folder" in result.stderr.replace("\n", "")


@pytest.mark.parametrize(("a", "b", "ratio"), [(4, 2, 0.5), (0, 2, None), (None, 2, None), ("8 x 8", "8 x 8", None)])
def test_a_ratio_is_of_numbers_only(a, b, ratio):
    assert Row("", "", a, b).ratio == ratio

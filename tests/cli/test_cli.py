import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bitstreams.boards import BOARDS
from cli.main import app
from hw.graph import load, save
from hw.systolic.build import open_build
from sim import verilator

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def digits(tmp_path):
    file = tmp_path / "digits.s3net"
    shutil.copy("examples/digits.s3net", file)
    return file


def test_check_shows_every_layer_and_whether_it_fits(digits):
    result = run("check", digits, "--board", "ulx3s_85f")
    assert result.exit_code == 0
    assert "stem_block" in result.output and "images/s" in result.output


def test_generate_writes_readable_verilog(digits, tmp_path):
    result = run("generate", digits, "--board", "icebreaker", "--out", tmp_path / "build")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "build" / "engine.v").read_text()
    assert text.startswith("// shiftforge engine for small_resnet-digits")
    assert "module \\shiftforge_engine.cluster0.array.tile_0_0.cells_0_0" in text
    assert "next: shiftforge simulate" in result.output


def test_two_builds_are_the_same_to_the_byte(digits, tmp_path):
    for name in ("a", "b"):
        assert run("generate", digits, "--out", tmp_path / name).exit_code == 0
    for file in ("engine.v", "program.hex", "network.s3net", "build.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def one_sentence(result, *words):
    assert result.exit_code == 1
    for word in words:
        assert word in result.stderr.replace("\n", " "), result.stderr
    assert "Traceback" not in result.stderr + result.output


def test_a_truncated_network_is_refused(digits, tmp_path):
    digits.write_bytes(digits.read_bytes()[:500])
    one_sentence(run("check", digits), "digits.s3net", "truncated")
    one_sentence(run("generate", digits, "--out", tmp_path / "build"), "digits.s3net")
    assert not (tmp_path / "build").exists()


def test_an_unknown_board_is_refused(digits):
    one_sentence(run("check", digits, "--board", "de10"), "de10", "icebreaker")


def test_a_folder_that_is_no_build_is_refused(tmp_path):
    one_sentence(run("simulate", tmp_path), "not a build folder", "build.json")
    one_sentence(run("synth", tmp_path), "not a build folder")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    one_sentence(run("export", tmp_path), "no finished run")


def test_an_unknown_model_is_refused(tmp_path):
    one_sentence(run("train", "vgg", "--out", tmp_path / "run"), "vgg", "small_resnet")


def test_a_missing_compiler_is_named(digits, tmp_path, monkeypatch):
    assert run("generate", digits, "--out", tmp_path / "build").exit_code == 0
    monkeypatch.setattr(verilator.shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    one_sentence(run("simulate", tmp_path / "build", "--samples", "1"), "g++ is missing")


def test_the_committed_network_is_sound(tmp_path):
    network = load("examples/digits.s3net")
    save(network, tmp_path / "again.s3net")
    assert (tmp_path / "again.s3net").read_bytes() == Path("examples/digits.s3net").read_bytes()


@pytest.mark.parametrize(
    ("board", "total"),
    [
        ("icebreaker", "memory: 2,123 of 16,384 words of 64 bits, in the 4 SPRAMs of iCE40UP5K"),
        ("ulx3s_85f", "for the program; the whole engine takes 26 of the 208 block RAMs of LFE5U-85F"),
    ],
)
def test_the_memory_plan_is_printed(board, total, tmp_path):
    result = run("generate", "examples/digits.s3net", "--board", board, "--out", tmp_path / "build")
    memory = json.loads((tmp_path / "build" / "build.json").read_text())["memory"]
    lines = [line.split() for line in result.output.splitlines()]
    assert total in " ".join(result.output.split())
    layers = [node.name for node in load("examples/digits.s3net").nodes]
    for name, stored in memory["maps"].items():
        born = layers.index(stored["born"]) + 1 if name != "image" else 0
        numbers = [f"{stored['address']:,}", f"{stored['words']:,}", str(born)]
        dies = [str(layers.index(stored["dies"]) + 1), stored["dies"]]
        assert [name.removesuffix(".out"), *numbers, *dies] in lines
    checked = run("check", "examples/digits.s3net", "--board", board)
    rows = [line.split() for line in checked.output.splitlines()]
    assert next(line for line in lines if "block2_conv2_block" in line[:1]) in rows
    maps = json.loads(run("check", "examples/digits.s3net", "--board", board, "--json").output)["engine"]["maps"]
    assert {m["name"]: (m["address"], m["dies"]) for m in maps} == {
        name: (m["address"], m["dies"]) for name, m in memory["maps"].items()
    }


def test_generate_searches_what_is_not_pinned(tmp_path):
    out = tmp_path / "build"
    pins = ("--clusters", "2", "--rows", "8")
    result = run("generate", "examples/digits-mlp.s3net", "--board", "ulx3s_85f", *pins, "--out", out)
    assert result.exit_code == 0, result.output
    config = json.loads((out / "build.json").read_text())["config"]
    assert (config["rows"], config["clusters"]) == (8, 2)
    again = run("generate", "examples/digits.s3net", "--board", "hx8k_evn", "--fast", "--out", tmp_path / "none")
    one_sentence(again, "no engine for", "iCE40HX8K")
    assert not (tmp_path / "none").exists()


def test_an_engine_that_may_not_fit_is_made_where_it_is_pinned_with_a_warning(tmp_path):
    pins = ("--rows", "16", "--cols", "8", "--columns-per-requantizer", "4")
    result = run("generate", "examples/resnet8-a4.s3net", *pins, "--out", tmp_path / "build")
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert re.search(r"warning: about 5,\d+ of 5,280 lookup tables are more than the 5,121 \(97%\)", words), words
    assert json.loads((tmp_path / "build" / "build.json").read_text())["predicted_cycles"] == 150519


def test_an_engine_that_fits_nowhere_is_made_with_a_warning(digits, tmp_path, monkeypatch):
    board = BOARDS["icebreaker"]
    monkeypatch.setitem(BOARDS, "icebreaker", replace(board, device=replace(board.device, luts=2000)))
    result = run("generate", digits, "--out", tmp_path / "build")
    said = " ".join(result.output.split())
    assert result.exit_code == 0 and re.search(r"no engine .* of 2,000 lookup tables and can be simulated only", said)
    monkeypatch.undo()
    assert "warning" not in run("generate", digits, "--out", tmp_path / "build").output


def test_one_engine_is_generated_for_two_networks(digits, tmp_path):
    other = tmp_path / "other.s3net"
    other.write_bytes(Path("examples/digits-mlp.s3net").read_bytes())
    first, second = tmp_path / "first", tmp_path / "second"
    one_sentence(run("generate", other, "--engine", tmp_path / "none"), "none", "build.json is missing")
    assert run("generate", digits, "--board", "ulx3s_85f", "--also", other, "--out", first).exit_code == 0
    result = run("generate", other, "--engine", first, "--out", second)
    assert result.exit_code == 0, result.output
    assert (first / "engine.v").read_bytes() == (second / "engine.v").read_bytes()
    assert (first / "program.hex").read_bytes() != (second / "program.hex").read_bytes()
    assert open_build(second).compiled.config == open_build(first).compiled.config
    # An engine for one network alone need not do for another one.
    assert run("generate", other, "--board", "ulx3s_85f", "--out", first).exit_code == 0
    third = tmp_path / "third"
    one_sentence(run("generate", digits, "--engine", first, "--out", third), "shifts by 8, the engine by at most 7")
    assert not third.exists()
    one_sentence(run("generate", other, "--engine", first, "--rows", "4"), "--engine takes an engine as it is")


@pytest.mark.parametrize("verb", [command.name for command in app.registered_commands])
def test_the_help_of_every_verb_has_an_example_with_options_that_exist(verb):
    text = " ".join(run(verb, "--help").output.replace("│", " ").split())
    example = text.split(f"Example: shiftforge {verb}", 1)[1].split("╭", 1)[0].split(", then in another shell")[0]
    options = [word for word in example.split() if word.startswith("--")]
    assert all(text.count(option) > example.count(option) for option in options), example

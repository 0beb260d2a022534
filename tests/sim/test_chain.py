"""The equality chain on the smallest engines, and that every level of it finds a planted fault."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from bitstreams.boards import BOARDS
from cli.main import app
from hw.graph import load
from hw.systolic.build import generate
from hw.systolic.compiler.assemble import weight_words
from hw.systolic.program import closing_word
from hw.systolic.shape import base_config, fit_memory, fit_widths
from s3train.data import load_digits
from s3train.reference import Reference, save_reference
from sim import levels
from sim.amaranth_simulation import run_amaranth
from sim.images import extreme_images, with_extremes
from sim.levels import Chain, run_level
from sim.verilator import SimulatorError
from tests.strategies import random_images, random_network

has_icarus = shutil.which("iverilog") is not None


def tiny_build(folder, board):
    """A random network of six layers on an engine of 4 x 2 cells."""
    network, device = random_network(3), BOARDS[board].device
    base = base_config([network], device)
    one_tile = base.tile_rows == base.rows
    small = replace(
        base, rows=4, cols=2, tile_rows=4 if one_tile else 2, tile_cols=2 if one_tile else 1, psum_depth=16
    )  # fmt: skip
    config = fit_memory([network], fit_widths([network], small), device)
    return generate(network, board, device, folder, config=config)


def make_chain(build, count=2, cache=None, stored=None):
    network = build.compiled.network
    real = random_images(network, 1, count)
    images = with_extremes(network.tensor(network.input), real)
    return Chain(build, images, network.run(images), real, stored, cache)


@pytest.fixture(scope="module", params=["hx8k_evn", "ulx3s_85f"])
def chain(request, tmp_path_factory, simulations):
    return make_chain(tiny_build(tmp_path_factory.mktemp(request.param), request.param), cache=simulations)


def numbers(network):
    """Stored numbers, logits and the class of an image."""
    sizes = [np.prod(tensor.shape) for name, tensor in network.tensors.items() if name != network.input]
    return sum(sizes) + network.classes + 1


def simulators(board):
    """Levels to run on the tiny engine of a board; each Verilator takes its time to compile."""
    return ("amaranth", "icarus", "verilog", "netlist") if board == "hx8k_evn" else ("amaranth", "icarus", "netlist")


def test_every_level_is_equal_in_every_number(chain):
    for name in simulators(chain.build.board):
        level = run_level(chain, name)
        if name == "icarus" and not has_icarus:
            assert not level.ran and not level.ok and level.note == "iverilog is not installed"
            continue
        assert level.ok and not level.differences, level
        assert level.images == 6 and level.values == 6 * numbers(chain.build.compiled.network)


def test_a_level_that_cannot_be_run_is_not_passed(chain, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr("sim.verilator.shutil.which", lambda name: None)
        level = run_level(chain, "icarus")
    assert not level.ran and not level.ok and level.values == 0
    level = run_level(replace(chain, stored=None), "numpy")
    assert not level.ran and not level.ok and "reference.npz" in level.note
    monkeypatch.setattr(levels, "PACKAGE_PINS", {"iCE40HX8K": 10})
    if chain.build.board == "hx8k_evn":
        level = run_level(chain, "routed")
        assert not level.ran and not level.ok and level.note.endswith("ports, the package of the iCE40HX8K 10 pins")


def test_pytorch_is_compared_with_numpy_number_by_number(chain):
    network = chain.build.compiled.network
    stored = {name: array for name, array in network.run(chain.real).items() if name != network.input}
    level = run_level(replace(chain, stored=stored), "numpy")
    assert level.ok and level.values == 2 * (numbers(network) - 1)
    name = next(iter(stored))
    wrong = stored[name].copy()
    wrong[1, 0, 0, 0] ^= 1
    level = run_level(replace(chain, stored={**stored, name: wrong}), "numpy")
    assert (
        not level.ok and level.differences == 1 and level.first_difference.startswith(f"image 1, {name} at (0, 0, 0)")
    )
    level = run_level(replace(chain, stored={name: stored[name]}), "numpy")
    assert not level.ok and "are missing" in level.first_difference


@pytest.mark.parametrize("chain", ["hx8k_evn", pytest.param("ulx3s_85f", marks=pytest.mark.full)], indirect=True)
def test_a_wrong_weight_in_the_program_is_found_by_every_simulator(chain, tmp_path):
    build = generate(
        chain.build.compiled.network, chain.build.board, BOARDS[chain.build.board].device, tmp_path,
        config=chain.build.compiled.config,
    )  # fmt: skip
    words, weights = build.compiled.program.words, build.compiled.layers[0].tiles[0].passes[0].weights
    address = words.index(weight_words(weights, build.compiled.config)[0])
    words[address] ^= 1
    # With a checksum that fits, only the numbers can tell.
    words[-1] = closing_word(words[:-1], build.compiled.config)
    names = [name for name in simulators(build.board) if name != "icarus" or has_icarus]
    for name in names:
        level = run_level(replace(chain, build=build), name)
        assert level.ran and not level.ok and level.differences > 0, level
        assert "expected" in level.first_difference


def test_a_late_or_wrong_answer_is_a_difference(chain):
    run = run_amaranth(chain.build.compiled, chain.images[:1])[0]
    assert chain.judge(chain.level("amaranth"), [run]).ok
    wrong = chain.judge(chain.level("amaranth"), [replace(run, logits=[run.logits[0] + 1, *run.logits[1:]])])
    assert wrong.differences == 1 and not wrong.ok
    late = chain.judge(chain.level("amaranth"), [replace(run, cycles=run.cycles + 1)])
    assert late.differences == 1 and "clocks" in late.first_difference and not late.ok
    lost = chain.judge(chain.level("amaranth"), [replace(run, writes=run.writes[:-1])])
    assert lost.differences == 1 and "words were written" in lost.first_difference and not lost.ok
    address, mask, word = run.writes[-1]
    lane = (mask & -mask).bit_length() - 1
    stored = [*run.writes[:-1], (1 << 15, mask, word)]
    outside = chain.judge(chain.level("amaranth"), [replace(run, writes=stored)])
    assert not outside.ok and "word 32768 was written, the memory has" in outside.first_difference
    stored = [*run.writes[:-1], (address, mask, word ^ 1 << 8 * lane)]
    assert chain.judge(chain.level("amaranth"), [replace(run, writes=stored)]).differences >= 1


def test_extreme_images_are_extreme(chain):
    tensor = chain.build.compiled.network.tensor(chain.build.compiled.network.input)
    full, checkerboard, zero, random = extreme_images(tensor)
    assert (full == tensor.maximum).all() and not zero.any() and len(np.unique(random)) > 2
    assert set(np.unique(checkerboard)) == {0, tensor.maximum}
    assert checkerboard[0, 0, 0] != checkerboard[0, 0, 1]
    images = with_extremes(tensor, chain.real)
    assert len(images) == len(chain.real) + 4 and (images[0] == chain.real[0]).all()


def test_verify_reports_and_fails_with_the_first_difference(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build = tiny_build(tmp_path / "build", "hx8k_evn")
    network = build.compiled.network
    images = random_images(network, 1, 3)
    stored = {name: array for name, array in network.run(images).items() if name != network.input}
    save_reference(Reference(images, np.zeros(3, np.int64), stored), tmp_path / "build" / "reference.npz")
    arguments = ["verify", "build", "--samples", "3", "--levels", "numpy,amaranth"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "build" / "verification.json").read_text())
    assert [level["values"] for level in report["levels"]] == [3 * (numbers(network) - 1), 7 * numbers(network)]
    assert all(len(report["digests"][name]) == 64 for name in ("network", "verilog", "program", "sources"))
    stored[network.logits.name][2, 1] += 1
    save_reference(Reference(images, np.zeros(3, np.int64), stored), tmp_path / "build" / "reference.npz")
    result = CliRunner().invoke(app, [*arguments[:-1], "numpy"])
    assert result.exit_code == 1 and f"error: level numpy: image 2, {network.logits.name} at (1,)" in result.stderr
    assert "level 'spice' is unknown" in CliRunner().invoke(app, [*arguments[:-1], "spice"]).stderr
    # A level that was asked for and cannot be run is a failure.
    (tmp_path / "build" / "reference.npz").unlink()
    result = CliRunner().invoke(app, [*arguments[:-1], "numpy"])
    assert result.exit_code == 1 and "error: level numpy was not run" in result.stderr


# A table of one product's bit, which an inference reads: its contents, and what is between them and its name.
PRODUCT = {
    "icebreaker": r"(LUT_INIT\(16'h)([0-9a-f]{4})(\)(?:(?!LUT_INIT).)*?product0_SB_DFF_Q_1_D_SB_LUT4_O_LC )",
    "ulx3s_85f": r"(INITVAL\(16'h)([0-9a-f]{4})(\)(?:(?!INITVAL).)*?product0_TRELLIS_FF_Q_1_DI\S*_COMB )",
}
PRODUCT["hx8k_evn"] = PRODUCT["icebreaker"]


def digits_chain(name, board, folder):
    network = load(f"examples/{name}.s3net")
    build = generate(network, board, BOARDS[board].device, folder / "build")
    real = load_digits().test_images[:5].numpy()
    images = with_extremes(network.tensor(network.input), real)
    return Chain(build, images, network.run(images), real, None, folder / "cache")


def fails_with(chain, level, maker, table, monkeypatch):
    """Whether a level notices one wrong table of the netlist that ``maker`` makes."""
    correct = getattr(levels, maker)(chain.build, chain.cache)
    text, count = re.subn(
        table, lambda m: f"{m[1]}{int(m[2], 16) ^ 0xFFFF:04x}{m[3]}", correct.verilog, count=1, flags=re.DOTALL
    )
    assert count == 1
    monkeypatch.setattr(levels, maker, lambda *_: replace(correct, verilog=text))
    try:
        return not run_level(chain, level).ok
    except SimulatorError as error:
        return "got no answer" in str(error)


@pytest.mark.full
@pytest.mark.parametrize("board", ["icebreaker", "ulx3s_85f"])
def test_all_levels_are_equal_on_digits(board, tmp_path, monkeypatch):
    chain = digits_chain("digits", board, tmp_path)
    for name in ("amaranth", "verilog", "netlist", "routed"):
        level = run_level(chain, name)
        assert level.ok and level.values == level.images * numbers(chain.build.compiled.network), level
    maker = "routed_board" if board == "icebreaker" else "routed_engine"
    assert fails_with(chain, "routed", maker, PRODUCT[board], monkeypatch)


@pytest.mark.full
def test_every_level_is_equal_on_the_smallest_boards_engine(tmp_path, monkeypatch):
    chain = digits_chain("digits-mlp", "hx8k_evn", tmp_path)
    level = run_level(chain, "routed")
    assert level.ok and level.images == 9, level
    assert fails_with(chain, "routed", "routed_engine", PRODUCT["hx8k_evn"], monkeypatch)


@pytest.mark.full
def test_one_wrong_table_of_the_netlist_is_found(chain, monkeypatch):
    # A table of the first cell's product; tables that no inference reads are elsewhere.
    table = r"(INIT\(16'h)([0-9a-f]{4})(\)\s*\) \\cluster0\.array\.tile_0_0\.cells_0_0\.product0)"
    assert fails_with(chain, "netlist", "synthesised_engine", table, monkeypatch)

"""Every board: its design with its pins, and through to a bitstream."""

import json

import pytest
from typer.testing import CliRunner

from bitstreams.boards import BOARDS
from bitstreams.clock_choice import MARGIN, build_at_best_clock
from bitstreams.design import board_design
from bitstreams.stored import StoredNetwork
from cli.main import app
from hw.devices import Family
from hw.graph import load
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config

NETWORK = load("examples/digits-mlp.s3net")
ALL = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def compiled(board):
    return compile_network(NETWORK, choose_config([NETWORK], board.device))


@ALL
def test_a_design_has_its_pins(board):
    design = board_design(board, compiled(board).config)
    ports = ["uart_0__rx__io", "uart_0__tx__io", f"{board.oscillator}_0__"]
    if board.device.sprams:
        ports += [f"spi_flash_1x_{board.flash}__{pin}__io" for pin in ("cs", "clk", "copi", "cipo")]
    keyword = "set_io" if board.device.family is Family.ICE40 else "LOCATE COMP"
    for port in ports:
        assert any(keyword in line and port in line for line in design.pins.splitlines()), port


@pytest.mark.parametrize("name", ["icebreaker", "icesugar", "upduino_v3", "tinyfpga_bx", "ulx3s_12f", "orangecrab_25f"])
def test_a_design_with_an_spi_has_its_pins_and_no_uart(name):
    board = BOARDS[name]
    pins = board_design(board, compiled(board).config, link="spi").pins
    assert all(f"spi_link_0__{pin}__io" in pins for pin in ("cs", "clk", "copi", "cipo")) and "uart" not in pins


def test_a_board_without_an_spi_says_so():
    board = BOARDS["versa_ecp5"]
    with pytest.raises(ValueError, match=r"ECP5 Versa .* has no pins for the link spi; shiftforge boards lists"):
        board_design(board, compiled(board).config, link="spi")


def test_the_list_of_boards():
    answer = CliRunner().invoke(app, ["boards", "--json"])
    rows = json.loads(answer.output)
    assert [row["board"] for row in rows] == list(BOARDS)
    assert rows[0]["device"] == "iCE40UP5K" and rows[0]["sprams"] == 4
    assert CliRunner().invoke(app, ["boards"]).exit_code == 0


@pytest.mark.full
@ALL
def test_a_board_is_built_to_a_bitstream_that_meets_its_clock(board, tmp_path):
    program = compiled(board)
    network = StoredNetwork.of(program)
    result = build_at_best_clock(board, program.config, tmp_path, tmp_path / "cache", seeds=(1,), network=network)
    assert (tmp_path / result.bitstream).stat().st_size > 10_000
    assert result.dsps == 0 and result.clock_mhz <= result.fmax_mhz["min"] * (1 - MARGIN)

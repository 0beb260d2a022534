"""The committed digits network on real test images, in the Verilog of both boards."""

from dataclasses import replace

import numpy as np
import pytest

from bitstreams.boards import BOARDS
from hw.graph import load
from hw.systolic.build import generate, open_build
from hw.systolic.compiler.assemble import weight_words
from hw.systolic.program import closing_word
from hw.systolic.shape import base_config, fit_memory, fit_widths
from s3train.data import load_digits
from sim.check import check_build
from sim.runner import SimulatorError

NETWORK = "examples/digits.s3net"


def images(count):
    return load_digits().test_images[:count].numpy()


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s_85f"])
def test_real_images_are_equal_in_every_stored_number(board, tmp_path, simulations):
    generate(load(NETWORK), board, BOARDS[board].device, tmp_path / "build")
    build = open_build(tmp_path / "build")
    result = check_build(build, images(10), simulations)
    assert result.ok, result
    assert result.values == 10 * sum(np.prod(t.shape) for n, t in load(NETWORK).tensors.items() if n != "image") + 110
    again = check_build(build, images(10), simulations)
    assert again == result


def test_words_of_two_tiles_are_pooled_in_two(tmp_path, simulations):
    network, device = load(NETWORK), BOARDS["ulx3s_85f"].device
    config = fit_memory([network], fit_widths([network], replace(base_config([network], device), rows=16)), device)
    build = generate(network, "ulx3s_85f", device, tmp_path / "build", config=config)
    (pool,) = (layer for layer in build.compiled.layers if layer.node == "pool_average")
    # 16 taps; the two words of a pixel follow each other in a pass, their halves are tiles.
    assert [len(tile.passes) for tile in pool.tiles] == [16, 16] and pool.pixels == 2
    result = check_build(build, images(3), simulations)
    assert result.ok, result


@pytest.mark.full
@pytest.mark.parametrize("board", ["icebreaker", "ulx3s_85f"])
def test_two_hundred_real_images_are_equal(board, tmp_path, simulations):
    build = generate(load(NETWORK), board, BOARDS[board].device, tmp_path / "build")
    result = check_build(build, images(200), simulations)
    assert result.ok and result.images == 200, result


def test_a_wrong_program_word_is_noticed(tmp_path, simulations):
    build = generate(load(NETWORK), "ulx3s_85f", BOARDS["ulx3s_85f"].device, tmp_path / "build")
    words, tile = build.compiled.program.words, build.compiled.layers[0].tiles[0].passes[1].weights
    address = words.index(weight_words(tile, build.compiled.config)[0])
    # The smallest change of a weight of the lowest row, the magnitude code's last bit.
    words[address] ^= 1 << 56
    with pytest.raises(SimulatorError, match="error code is 4"):
        check_build(build, images(1), simulations)
    # The same with a checksum that fits: now the numbers must tell.
    words[-1] = closing_word(words[:-1], build.compiled.config)
    result = check_build(build, images(3), simulations)
    assert result.equal == 0 and "expected" in result.first_difference


def test_waves_are_written_on_demand(tmp_path, simulations):
    build = generate(load(NETWORK), "ulx3s_85f", BOARDS["ulx3s_85f"].device, tmp_path / "build")
    assert check_build(build, images(1), simulations, waves="vcd").ok
    assert (tmp_path / "build" / "waves.vcd").stat().st_size > 1000

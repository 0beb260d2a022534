"""What a board's SPRAMs are told is parted into program and images, and held against the program."""

import pytest

from bitstreams.boards import BOARDS
from hw.graph import load
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from sim.amaranth_simulation import run_amaranth
from sim.board_simulation import _by_image, _writes
from sim.compare import compare
from sim.verilator import SimulatorError
from tests.strategies import random_images


@pytest.fixture(scope="module")
def compiled():
    network = load("examples/digits-mlp.s3net")
    return compile_network(network, choose_config([network], BOARDS["icebreaker"].device))


def image_writes(compiled):
    return compiled.layouts[compiled.network.input].words + sum(layer.writes for layer in compiled.layers)


def program(compiled):
    return [(i, 0xFF, word) for i, word in enumerate(compiled.words)]


def test_the_up5ks_spram_has_a_model_in_amaranths_simulator(compiled):
    images = random_images(compiled.network, 0, 3)[2:]
    result = compare(compiled, run_amaranth(compiled, images), compiled.network.run(images))
    assert result.ok and result.images == 1 and result.differences == 0, result


def test_an_engine_that_does_not_answer_is_said_to(compiled):
    class Silent(type(compiled)):
        words = property(lambda self: compiled.words[:-1])

    # Without its closing word the program's checksum is wrong, and the engine refuses it.
    fields = {name: getattr(compiled, name) for name in compiled.__dataclass_fields__}
    silent = Silent(**{**fields, "predicted_cycles": 10})
    with pytest.raises(SimulatorError, match="did not answer in Amaranth's simulator"):
        run_amaranth(silent, random_images(compiled.network, 0, 1), patience=200)


def test_masks_of_four_bits_become_lanes(compiled, tmp_path):
    trace = tmp_path / "trace.txt"
    trace.write_text("0010 f00f 0123456789abcdef\n0011 ffff 0000000000000001\n")
    assert list(_writes(trace, compiled)) == [(16, 0b11000011, 0x0123456789ABCDEF), (17, 0xFF, 1)]
    trace.write_text("0010 0001 0123456789abcdef\n")
    with pytest.raises(SimulatorError, match="word 16: a part of lane 0 is written"):
        list(_writes(trace, compiled))


def test_writes_are_parted_into_images(compiled):
    size = image_writes(compiled)
    first, second = [[(i, 1, image) for i in range(size)] for image in (1, 2)]
    assert _by_image([*program(compiled), *first, *second], compiled, 2) == [first, second]
    with pytest.raises(SimulatorError, match="words were written"):
        _by_image([*program(compiled), *first, *second[1:]], compiled, 2)


@pytest.mark.parametrize("fault", [(5, 0xFF, None), (6, 0xFF, 0), (5, 0xFE, 0)])
def test_a_program_that_arrives_damaged_is_found(compiled, fault):
    address, mask, change = fault
    words = program(compiled)
    words[5] = (address, mask, words[5][2] ^ 1 if change is None else words[5][2])
    with pytest.raises(SimulatorError, match="word 5 of the program arrived as"):
        _by_image([*words, *[(0, 1, 0)] * image_writes(compiled)], compiled, 1)

"""The bound of every sum is reached, and it is a bound: with one bit less a sum wraps around."""

from dataclasses import replace

import numpy as np
import pytest

from bitstreams.boards import BOARDS
from hw.graph import load
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from sim.extremes import measure_extremes, predicted_ends, run_extremes


def extremes(name, board):
    network = load(f"examples/{name}.s3net")
    found = list(measure_extremes(network, choose_config([network], BOARDS[board].device)))
    assert {e.layer for e in found} == {node.name for node in network.nodes}
    return found


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("digits-mlp", "hx8k_evn"),
        ("digits", "icebreaker"),
        pytest.param("digits", "ulx3s_85f", marks=pytest.mark.full),
        pytest.param("resnet8", "icebreaker", marks=pytest.mark.full),
        pytest.param("resnet8-a4", "icebreaker", marks=pytest.mark.full),
    ],
)
def test_every_channel_reaches_both_ends_of_its_sum_and_no_width_has_a_bit_to_spare(name, board):
    for layer in extremes(name, board):
        assert layer.reached == layer.channels > 0, layer
        assert layer.wraps, layer


def test_a_sum_that_is_too_narrow_misses_its_end():
    network = load("examples/digits-mlp.s3net")
    config = choose_config([network], BOARDS["hx8k_evn"].device)
    layer = compile_network(network, config).layers[0]
    passes = list(layer.tiles[0].passes)
    wanted = predicted_ends(passes, config, 255)
    assert np.array_equal(run_extremes([passes], config, 255)[0], wanted)
    wide = int(max(-wanted.min(), wanted.max())).bit_length()
    # Two's complement: a number one bit too long comes out 2^width too low or too high.
    narrow = run_extremes([passes], replace(config, acc_width=wide), 255)[0]
    assert np.array_equal((narrow - wanted) % (1 << wide), np.zeros_like(wanted)) and (narrow != wanted).any()

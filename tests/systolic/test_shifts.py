"""Channel and address shifts in the compiler: the same numbers, and no clock, word or cell of their own."""

from dataclasses import replace

import numpy as np
import pytest

from hw.devices import ECP5_85, UP5K
from hw.graph import (
    AddressShift,
    Alphabet,
    ChannelShift,
    Convolution,
    Logits,
    MaxPool,
    Network,
    NetworkError,
    Padding,
    Rescale,
    Tensor,
)
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts, views
from hw.systolic.search import choose_config
from tests.strategies import random_images, random_network

ALPHABET = Alphabet.s3(3)
AROUND = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1))


def build(*shifts, channels=64, kernel=1, padding=0, groups=1, after="logits"):
    """An image, a convolution, shifts, a second convolution, and the logits."""
    rng = np.random.default_rng(1)
    image, first = Tensor("image", 3, 8, 8, 8, 0, 8), Tensor("a", channels, 8, 8, 8, 0, 4)

    def conv(name, source, output, k, pad, g):
        weight = rng.choice(ALPHABET.values, (output.channels, source.channels // g, k, k)).astype(np.int32)
        zero = np.zeros(output.channels, np.int64)
        rescale = Rescale(zero, zero, zero + 6, zero, zero, zero + 32)
        pads = Padding(pad, pad, pad, pad)
        return Convolution(name, source.name, output.name, weight, ALPHABET, (1, 1), pads, g, False, rescale)

    tensors, nodes = [image, first], [conv("first", image, first, 3, 1, 1)]
    now = first
    for i, shift in enumerate(shifts):
        output = replace(first, name=f"shifted{i}")
        tensors.append(output)
        if isinstance(shift, int):
            nodes.append(ChannelShift(f"shift{i}", now.name, output.name, shift))
        else:
            nodes.append(AddressShift(f"shift{i}", now.name, output.name, tuple(shift)))
        now = output
    size = 8 + 2 * padding - kernel + 1
    if after == "conv":
        second = Tensor("b", channels, size, size, 8, 0, 4)
        tensors.append(second)
        nodes.append(conv("second", now, second, kernel, padding, groups))
        now = second
    elif after == "pool":
        second = Tensor("b", channels, 4, 4, 8, 0, 4)
        tensors.append(second)
        nodes.append(MaxPool("pool", now.name, "b", (2, 2), (2, 2), Padding()))
        now = second
    weight = rng.choice(ALPHABET.values, (10, *now.shape)).astype(np.int32)
    nodes.append(Logits("logits", now.name, weight, ALPHABET, np.zeros(10, np.int64), now.exponent))
    network = Network("shifts", "image", {t.name: t for t in tensors}, tuple(nodes))
    network.validate()
    return network


def same(network, count=6):
    images = random_images(network, 0, count)
    want, got = network.run(images), fold_shifts(network).run(images)
    for name in set(want) - views(network):
        assert np.array_equal(want[name], got[name]), name
    return set(want) - set(got)


@pytest.mark.parametrize("seed", range(60))
def test_folding_changes_no_number(seed):
    network = random_network(seed, shifts=True)
    try:
        gone = same(network)
    except CompileError as error:
        assert "shift" in str(error)
        return
    assert gone == views(network)


@pytest.mark.parametrize("after", ["conv", "logits"])
@pytest.mark.parametrize(
    "shifts", [(5,), (AROUND,), (24, AROUND), (AROUND, 24), (3, 9, AROUND, 60), (((7, -7), (-7, 7)),), (((0, 0),),)]
)
def test_shifts_before_a_convolution_and_before_the_logits(shifts, after):
    assert same(build(*shifts, after=after))


def test_a_kernel_without_padding_and_groups_read_through_shifts():
    assert same(build(AROUND, after="conv", kernel=3))
    assert same(build(8, AROUND, after="conv", groups=4))
    assert same(build(8, after="conv", kernel=3, padding=1))


@pytest.mark.parametrize("device", [UP5K, ECP5_85])
def test_shifts_of_whole_words_take_no_clock_no_word_and_no_cell(device):
    plain, shifted = build(after="conv"), build(16, AROUND, after="conv")
    # Random networks of the same layers have other numbers, so widths are taken from both.
    config = choose_config([plain, shifted], device)
    first, second = (compile_network(network, config) for network in (plain, shifted))
    assert second.predicted_cycles == first.predicted_cycles
    assert len(second.words) == len(first.words) and second.memory_words == first.memory_words
    assert second.busy == first.busy
    alone = [choose_config([network], device) for network in (plain, shifted)]
    assert alone[0] == alone[1]


def test_groups_that_share_a_word_cost_passes():
    # Eight directions in groups of four channels: a word of eight has two of them.
    few = build(AROUND, channels=32, after="conv")
    config = choose_config([few, build(channels=32, after="conv")], ECP5_85)
    plain, shifted = (compile_network(n, config) for n in (build(channels=32, after="conv"), few))

    def passes(compiled):
        return sum(len(tile.passes) for layer in compiled.layers if layer.node == "second" for tile in layer.tiles)

    assert passes(shifted) == 2 * passes(plain)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (build(8, after="pool"), "^layer 'pool' reads the shifted map 'shifted0'; the engine shifts only what conv"),
        (
            build(AROUND, after="conv", kernel=3, padding=1),
            "^layer 'second' pads a map that an address shift has",
        ),
        (build(AROUND, AROUND, after="conv"), "^layer 'shift1' is an address shift behind another one"),
    ],
)
def test_what_cannot_be_folded_is_refused(network, message):
    with pytest.raises(CompileError, match=message):
        choose_config([network], ECP5_85)


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (-1, "node 'shift0': shift is -1, supported are 0 to 63"),
        (64, "node 'shift0': shift is 64, supported are 0 to 63"),
        ((), "node 'shift0': 0 groups do not divide 64 channels"),
        (((0, 0),) * 3, "node 'shift0': 3 groups do not divide 64 channels"),
        (((0, 8),), r"node 'shift0': offset \(0, 8\), supported are up to 7 pixels"),
        (((-8, 0),), r"node 'shift0': offset \(-8, 0\), supported are up to 7 pixels"),
    ],
)
def test_a_shift_that_is_none_is_refused(shift, message):
    with pytest.raises(NetworkError, match=message):
        build(shift)


def test_a_shift_keeps_shape_and_format():
    network = build(8)
    tensors = {**network.tensors, "shifted0": replace(network.tensor("shifted0"), exponent=3)}
    with pytest.raises(NetworkError, match="node 'shift0': the output's exponent must be the input's"):
        replace(network, tensors=tensors).validate()

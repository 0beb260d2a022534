"""Small networks at the limits of memories, fields and parts: taken and right, or refused in a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from hw.devices import ECP5_85, UP5K
from hw.graph import (
    AddressShift,
    Alphabet,
    AveragePool,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Network,
    Padding,
    Polyphase,
    Rescale,
    Tensor,
)
from hw.systolic import shape
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts
from hw.systolic.search import choose_config, search
from tests.strategies import random_images, random_network
from tests.systolic.plan_interpreter import check_plan
from tests.systolic.support import make_config


def tensor(name, channels, height, width, bits=8, zero_point=0):
    return Tensor(name, channels, height, width, bits, zero_point, 4)


def convolution(source, output, *, kernel=(1, 1), padding=Padding(), shift=4, seed=0):  # noqa: B008
    zero = np.zeros(output.channels, np.int64)
    weight = np.random.default_rng(seed).choice([-1, 0, 1, 2], (output.channels, source.channels, *kernel))
    return Convolution(
        f"{output.name} conv", source.name, output.name, weight.astype(np.int32), Alphabet.s3(3), (1, 1), padding, 1,
        False, Rescale(zero, zero, zero + shift, zero, zero, zero + (1 << shift >> 1)), None,
    )  # fmt: skip


def mean(source, output):
    zero = np.zeros(source.channels, np.int64)
    kernel = (source.height // output.height, source.width // output.width)
    size = (kernel[0] * kernel[1] - 1).bit_length()
    rescale = Rescale(zero, zero, zero + size, zero, zero, zero + (1 << size >> 1))
    return AveragePool(f"{output.name} mean", source.name, output.name, kernel, kernel, Padding(), rescale)


def network(tensors, nodes):
    last = tensors[-1]
    weight = np.random.default_rng(1).choice([-1, 0, 1, 2], (3, *last.shape)).astype(np.int32)
    logits = Logits("logits", last.name, weight, Alphabet.s3(3), np.zeros(3, np.int64), last.exponent)
    made = Network("corner", tensors[0].name, {t.name: t for t in tensors}, (*nodes, logits))
    made.validate()
    return made


def check(made, config):
    check_plan(made, compile_network(made, config), random_images(made, 0, 4))


def test_a_global_pool_of_more_channel_groups_than_partial_sums():
    image, before, after = tensor("image", 2, 2, 2), tensor("before", 72, 2, 2), tensor("after", 72, 1, 1)
    made = network([image, before, after], [convolution(image, before), mean(before, after)])
    check(made, make_config(rows=4, psum_depth=16, columns_per_requantizer=2))


def test_a_concatenation_whose_last_part_is_a_max_pool():
    image, one, two = tensor("image", 2, 3, 3), tensor("one", 8, 3, 3), tensor("two", 4, 3, 3)
    pooled, whole = replace(two, name="pooled"), tensor("whole", 12, 3, 3)
    nodes = [
        convolution(image, one), convolution(image, two, seed=2),
        MaxPool("pool", "two", "pooled", (2, 2), (1, 1), Padding(0, 1, 0, 1)),
        Concatenation("join", ("one", "pooled"), "whole"),
    ]  # fmt: skip
    check(network([image, one, two, pooled, whole], nodes), make_config(columns_per_requantizer=2))


def signed_image(bits):
    image, out = tensor("image", 1, 3, 3, bits, 1 << bits - 1), tensor("map", 1, 3, 3, 4)
    return network([image, out], [convolution(image, out, kernel=(3, 3), padding=Padding(1, 1, 1, 1))])


def test_a_signed_image_of_one_bit_more_than_the_activations():
    config = make_config(rows=16, activation_bits=4, image_planes=2, cols=4)
    for bits in (4, 6, 8):
        check(signed_image(bits), config)
    with pytest.raises(CompileError, match="the image has 5 bits and a zero point, one bit more than the engine's"):
        compile_network(signed_image(5), config)
    chosen = choose_config([signed_image(5)], UP5K)
    assert chosen.activation_bits == 8 and choose_config([signed_image(6)], UP5K).activation_bits == 4
    check(signed_image(5), chosen)


def test_an_image_of_8_bits_that_a_pool_reads_before_maps_of_4():
    image, out = tensor("image", 1, 4, 4), tensor("map", 1, 2, 2, 4)
    made = network([image, out], [mean(image, out)])
    for device in (UP5K, ECP5_85):
        config = choose_config([made], device)
        assert config.activation_bits == 8
        check(made, config)


@pytest.mark.parametrize("size", [(16, 16), (1, 64)])
def test_an_image_row_with_more_padding_than_a_program_holds(size):
    whole = size[0] > 1
    image = tensor("image", 1, *size)
    out = tensor("map", 8, 1, 1) if whole else tensor("map", 8, *size)
    kernel, padding = (size, Padding()) if whole else ((1, 15), Padding(0, 0, 7, 7))
    made = network([image, out], [convolution(image, out, kernel=kernel, padding=padding, shift=8)])
    for device in (UP5K, ECP5_85):
        check(made, choose_config([made], device))


def test_a_sample_that_nobody_reads():
    image, out, sample = tensor("image", 1, 4, 4), tensor("map", 4, 4, 4), tensor("sample", 4, 2, 2)
    nodes = [convolution(image, out), Polyphase("phases", "map", "sample", "map")]
    made = network([image, sample, out], nodes)
    check(made, choose_config([made], UP5K))


def test_a_search_for_four_bit_maps_skips_words_that_are_too_short():
    found = search([signed_image(6)], ECP5_85, columns_per_requantizer=2, clusters=1)
    assert {c.config.activation_bits for c in found} == {4} and all(c.config.word_bits >= 32 for c in found)


def test_more_output_constants_than_an_engine_holds(monkeypatch):
    monkeypatch.setattr(shape, "MOST_CONSTANTS", 2)
    with pytest.raises(CompileError, match=r"has \d+ sets of output constants, an engine holds at most 2"):
        choose_config([random_network(3)], ECP5_85)


def test_a_layer_that_begins_too_far_into_its_map():
    image, out = tensor("image", 1, 1, 1025), tensor("map", 1, 1, 1025)
    made = network([image, out], [convolution(image, out)])
    with pytest.raises(CompileError, match="'logits' begins at pixel 1024 of its map, a program holds at most 1023"):
        choose_config([made], ECP5_85)


def test_zeros_between_shifts_count_as_no_instructions(monkeypatch):
    image, before, moved, after = (tensor(name, 16, 4, 4) for name in ("image", "before", "moved", "after"))
    image = replace(image, channels=4)
    nodes = [
        convolution(image, before), AddressShift("shift", "before", "moved", ((-7, -7), (7, 7))),
        convolution(moved, after),
    ]  # fmt: skip
    made = network([image, before, moved, after], nodes)
    monkeypatch.setattr("hw.systolic.compiler.layers.MOST_WORDS", 500)
    check_plan(
        fold_shifts(made), compile_network(made, make_config(columns_per_requantizer=2)), random_images(made, 0, 3)
    )


def test_an_image_of_too_many_channels_for_a_program():
    image, out = tensor("image", 17, 2, 2), tensor("map", 4, 2, 2)
    made = network([image, out], [convolution(image, out)])
    with pytest.raises(CompileError, match="the image has 17 channels, an engine takes at most 16"):
        compile_network(made, make_config(rows=32, cols=8))

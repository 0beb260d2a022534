"""Maps that wrap around, phases and tables in the compiler: what they cost, where they lie, what is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bench.networks import untrained
from hw.devices import ECP5_85, UP5K
from hw.graph import (
    AddressShift,
    Alphabet,
    AveragePool,
    Balance,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Network,
    Padding,
    Polyphase,
    Rescale,
    Table,
    Tensor,
)
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts, views
from hw.systolic.compiler.layout import PhaseLayout
from hw.systolic.search import choose_config, search
from planner.network_check import INSTEAD
from tests.strategies import random_images
from tests.systolic.plan_interpreter import check_plan
from tests.systolic.support import make_config
from tests.wrapped_networks import wrapped_network

CONFIG = make_config(cols=8, columns_per_requantizer=2, memory_words=16384, circular=True, norm_bits=24, table=True)
MAP = Tensor("map", 8, 4, 4, 8, 0, 4)
HALF = replace(MAP, name="half", height=2, width=2)


def convolution(source, output, *, kernel=3, padding=1, circular=True, stride=1, residual=None):
    weight = np.random.default_rng(0).choice([-2, -1, 0, 1, 2], (output.channels, source.channels, kernel, kernel))
    six = np.full(output.channels, 6, np.int64)
    zero = np.zeros(output.channels, np.int64)
    rescale = Rescale(zero, zero, six, zero, six if residual else zero, zero + 32)
    return Convolution(
        f"{output.name} conv", source.name, output.name, weight.astype(np.int32), Alphabet.s3(3), (stride, stride),
        Padding(*(padding,) * 4), 1, circular, rescale, residual,
    )  # fmt: skip


def network(tensors, nodes, last):
    weight = np.ones((3, *last.shape), np.int32)
    logits = Logits("logits", last.name, weight, Alphabet.s3(3), np.zeros(3, np.int64), last.exponent)
    image = Tensor("image", 3, 4, 4, 8, 0, 8)
    tensors = {tensor.name: tensor for tensor in (image, *tensors)}
    made = Network("wrapped", "image", tensors, (*nodes, logits))
    made.validate()
    return made


IMAGE = Tensor("image", 3, 4, 4, 8, 0, 8)
STEM = convolution(IMAGE, MAP)
SAMPLE = Polyphase("sample", "map", "half", "map")
END = replace(HALF, name="end")


@pytest.mark.parametrize("seed", range(40))
def test_folding_wrapped_shifts_changes_no_number(seed):
    made = wrapped_network(seed)
    images = random_images(made, seed, 4)
    want, got = made.run(images), fold_shifts(made).run(images)
    moved = {node.output for node in made.nodes if isinstance(node, AddressShift)}
    assert set(want) - set(got) == moved <= views(made)
    assert all(np.array_equal(want[name], got[name]) for name in got)


def test_sampling_takes_no_pass_and_one_instruction_of_each_reader():
    sampled = network([MAP, HALF, END], [STEM, SAMPLE, convolution(HALF, END)], END)
    # The same network whose second convolution reads a map of that size as it is.
    plain_map = replace(MAP, height=2, width=2)
    image = replace(IMAGE, height=2, width=2)
    plain = Network(
        "plain", "image", {t.name: t for t in (image, plain_map, END)},
        (convolution(image, plain_map), convolution(plain_map, END), sampled.logits),
    )  # fmt: skip
    plain.validate()
    one, two = compile_network(sampled, CONFIG), compile_network(plain, CONFIG)
    assert [layer.node for layer in one.layers] == ["map conv", "end conv", "logits"]
    assert one.layer_clocks[1].clocks == two.layer_clocks[1].clocks
    layout = one.layouts["half"]
    assert isinstance(layout, PhaseLayout) and layout.base == one.layouts["map"].base
    view = one.layers[1].view
    assert (view.x_phase, view.y_phase, view.guide) == (1, 4, "map")
    assert one.layers[0].measures == "map" and one.layers[0].norm_bits == (8 * 4 * 255).bit_length()
    assert "half" not in one.stored


def test_address_shifts_that_wrap_around_and_shortcut_shifts_take_no_clock_and_no_word():
    """The clocks are those of the same network whose shifts move nothing, and no layer is a shift or a joining."""
    shifted = untrained("invariant_addressnet", shape=(1, 16, 16))
    still = replace(
        shifted,
        nodes=tuple(
            replace(node, offsets=((0, 0),) * len(node.offsets)) if isinstance(node, AddressShift) else node
            for node in shifted.nodes
        ),
    )
    config = choose_config([shifted, still], UP5K)
    first, second = compile_network(shifted, config), compile_network(still, config)
    assert first.predicted_cycles == second.predicted_cycles and len(first.words) == len(second.words)
    free = {node.name for node in shifted.nodes if isinstance(node, AddressShift | Concatenation | Polyphase)}
    assert len(free) == 8 + 2 + 2 and not free & {layer.node for layer in first.layers}


def test_what_fits_with_half_the_requantisers_gets_them():
    aps, plain = (untrained(f"resnet8_{kind}", shape=(3, 32, 32)) for kind in ("aps", "strided"))
    assert choose_config([plain], UP5K).columns_per_requantizer == 2
    config = choose_config([aps], UP5K)
    assert config.columns_per_requantizer == 4 and config.norm_bits == 21 and config.circular and not config.table
    assert compile_network(aps, config).memory_words <= 16384


def test_strips_that_wrap_around_run_back_and_forth():
    tall = replace(MAP, height=16, width=16)
    image = replace(IMAGE, height=16, width=16)
    made = Network(
        "tall", "image", {"image": image, "map": tall},
        (convolution(image, tall), Logits("logits", "map", np.ones((3, *tall.shape), np.int32), Alphabet.s3(3),
                                          np.zeros(3, np.int64), 4)),
    )  # fmt: skip
    made.validate()
    layer = compile_network(made, CONFIG).layers[0]
    assert layer.strips == 8 and not layer.looped
    before = None
    for strip in range(layer.strips):
        tiles = layer.strip_tiles(strip)
        first, last = tiles[0].passes[0], tiles[-1].passes[-1]
        # The first pass of every strip but one finds its weights in the array.
        assert (first.weights is None) == (strip > 0)
        assert strip == 0 or first.x == before.x
        assert all(0 <= step.y < 16 for tile in tiles for step in tile.passes)
        assert {(step.y - 2 * strip) % 16 for tile in tiles for step in tile.passes} == {15, 0, 1}
        before = last


def test_large_maps_are_placed_first_where_that_saves_words():
    def words(tensor):
        return tensor.elements // 8

    small, large = replace(MAP, name="small"), replace(MAP, name="large", channels=64)
    wide = replace(MAP, name="wide", channels=64)
    nodes = [
        convolution(IMAGE, small), convolution(small, large, kernel=1, padding=0),
        convolution(large, wide, kernel=1, padding=0),
    ]  # fmt: skip
    made = compile_network(network([small, large, wide], nodes, wide), CONFIG)
    used = made.memory_words - len(made.words)
    # Born one after another, ``wide`` finds no room below ``large``.
    assert used == words(large) + words(wide)


def second_guide():
    other = replace(MAP, name="other")
    nodes = [STEM, SAMPLE, convolution(MAP, other), Polyphase("again", "other", "rest", "other")]
    rest = replace(HALF, name="rest")
    nodes += [convolution(rest, END, kernel=1, padding=0), convolution(HALF, replace(END, name="late"))]
    return network([MAP, HALF, other, rest, END, replace(END, name="late")], nodes, replace(END, name="late"))


def concatenated(guide):
    parts = [replace(MAP, name=name) for name in ("a", "b")]
    whole = replace(MAP, name="both", channels=16)
    nodes = [convolution(IMAGE, part) for part in parts] + [Concatenation("join", ("a", "b"), "both")]
    half = replace(HALF, channels=16)
    end = replace(END, channels=8)
    nodes += [Polyphase("sample", "both", "half", "both" if guide else "a"), convolution(half, end)]
    return network([*parts, whole, half, end], nodes, end)


def joined_sample():
    other = replace(HALF, name="other")
    whole = replace(HALF, name="both", channels=16)
    nodes = [STEM, SAMPLE, convolution(HALF, other), Concatenation("join", ("half", "other"), "both")]
    return network([MAP, HALF, other, whole], nodes, whole)


def added_sample():
    nodes = [STEM, SAMPLE, convolution(HALF, END, residual="half")]
    return network([MAP, HALF, END], nodes, END)


def padded_sample(node):
    return network([MAP, HALF, END], [STEM, SAMPLE, node], END)


def attention(table, other=None):
    signed = Tensor("signed", 8, 1, 1, 8, 128, 5)
    pooled = replace(MAP, name="pooled", height=1, width=1)
    looked, more = (replace(signed, name=name) for name in ("looked", "more"))
    eight, zero = np.full(8, 4, np.int64), np.zeros(8, np.int64)
    nodes = [
        STEM,
        AveragePool("mean", "map", "pooled", (4, 4), (1, 1), Padding(), Rescale(zero, zero, eight, zero, zero, zero)),
        convolution(pooled, signed, kernel=1, padding=0),
        Table("tanh", "signed", "looked", table),
        Table("more tanh", "looked", "more", table if other is None else other),
        Balance("add", "more", "map", "sum", np.ones(8, np.int8), Rescale.identity(8)),
    ]
    return network([MAP, pooled, signed, looked, more, replace(MAP, name="sum")], nodes, replace(MAP, name="sum"))


def sampled_image():
    half = replace(IMAGE, name="half", height=2, width=2)
    return network([half], [Polyphase("sample", "image", "half", "image")], half)


RAMP = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (second_guide, "'late conv' reads a phase that 'map' chooses, but 'other' was measured since; the engine rem"),
        (lambda: concatenated(True), "'sample' measures a concatenation"),
        (joined_sample, "'join' concatenates 'half', one phase of a map"),
        (added_sample, "'end conv' adds one phase of a map; the engine adds stored maps only"),
        (lambda: padded_sample(convolution(HALF, END, circular=False)), "'end conv' pads one phase of a map with the"),
        (
            lambda: padded_sample(MaxPool("pool", "half", "end", (3, 3), (1, 1), Padding(1, 1, 1, 1))),
            "'pool' pads one phase of a map with the zero point",
        ),
        (lambda: attention(RAMP, RAMP[::-1].copy()), "'tanh' and 'more tanh' have different tables, the engine holds"),
        (
            sampled_image,
            "'sample' samples the image itself",
        ),
    ],
)
def test_what_an_engine_cannot_do_is_refused_by_name(make, message):
    with pytest.raises(CompileError, match=message):
        compile_network(make(), CONFIG)


def upsized(node):
    """A map to which a convolution of a sample of its own, or a number a channel of its sample, is added."""
    return network([MAP, HALF, replace(MAP, name="sum")], [STEM, SAMPLE, node], replace(MAP, name="sum"))


def unrelated(name):
    """A map of a name, alive while a table is looked up."""
    looked, other, late = (replace(MAP, name=n) for n in ("looked", name, "late"))
    nodes = [
        STEM, convolution(MAP, other), Table("tanh", "map", "looked", RAMP[::-1].copy()), convolution(looked, late),
        convolution(other, replace(MAP, name="end"), kernel=1, padding=0, residual="late"),
    ]  # fmt: skip
    return network([MAP, looked, other, late, replace(MAP, name="end")], nodes, replace(MAP, name="end"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: upsized(convolution(HALF, replace(MAP, name="sum"), padding=2, residual="map")),
        lambda: unrelated("tanh, looked up"),
    ],
)
def test_no_map_takes_the_place_of_one_that_is_still_read(make):
    made = make()
    config = replace(CONFIG, cols=4, tile_cols=4)
    check_plan(made, compile_network(made, config), random_images(made, 0, 4))


def test_measured_rows_too_wide_to_be_summed_two_at_once():
    wide, half = replace(MAP, name="map", width=24), replace(HALF, width=12)
    image, end = replace(IMAGE, width=24), replace(END, width=12)
    weight = np.ones((3, *end.shape), np.int32)
    logits = Logits("logits", "end", weight, Alphabet.s3(3), np.zeros(3, np.int64), end.exponent)
    made = Network(
        "wide", "image", {t.name: t for t in (image, wide, half, end)},
        (convolution(image, wide), SAMPLE, convolution(half, end), logits),
    )  # fmt: skip
    made.validate()
    message = "'map conv' has two measured rows, which must be at hand together, of 24 pixels, the engine sums 32 at"
    with pytest.raises(CompileError, match=message) as error:
        compile_network(made, CONFIG)
    advice = [instead for pattern, instead in INSTEAD if re.search(pattern, str(error.value))]
    assert [words.format(32) for words in advice] == ["sample maps of which two rows have at most 32 pixels"]


def test_a_sample_of_a_concatenation_that_a_part_chooses_is_taken():
    assert compile_network(concatenated(False), CONFIG).layers[0].measures == "a"


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (lambda: attention(RAMP), {"table": False}, "'tanh' is a table; the engine was built without"),
        (added_sample, {"circular": False, "norm_bits": 0}, "'map conv' reads a map that wraps around, or a phase"),
        (lambda: concatenated(False), {"norm_bits": 12}, "'a conv' needs norms of 13 bits, the engine has 12"),
    ],
)
def test_an_engine_built_without_refuses_by_name(make, changes, message):
    with pytest.raises(CompileError, match=message):
        compile_network(make() if make is not added_sample else padded_sample(convolution(HALF, END)),
                        replace(CONFIG, **changes))  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"circular": False}, r"polyphase sampling \(norm_bits\) needs circular"),
        ({"program_words": 512, "clusters": 2}, "needs one cluster: every image has its own phase"),
        ({"columns_per_requantizer": 1}, "needs columns_per_requantizer of 2"),
        ({"norm_bits": 33}, "norm_bits must be 0..32, got 33"),
        ({"rows": 32, "cols": 32, "registered_ram": False}, "needs up to 16 cols, or registered_ram; got 32"),
    ],
)
def test_engines_that_cannot_sample(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)


def test_the_search_offers_one_cluster_to_what_is_sampled():
    aps = untrained("resnet8_aps", shape=(3, 16, 16))
    assert {c.config.clusters for c in search([aps], ECP5_85, rows=16, cols=16)} == {1}
    with pytest.raises(CompileError, match="needs one cluster: every image has its own phase"):
        search([aps], ECP5_85, rows=16, cols=16, clusters=2)

from dataclasses import replace

import numpy as np
import pytest

from hw.devices import DEVICES, ECP5_85, UP5K
from hw.graph import Alphabet, Concatenation, Convolution, Logits, MaxPool, Network, Tensor, load
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.layout import MapLayout
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.search import choose_config
from hw.systolic.shape import fit_memory
from s3train import TensorFormat, convert, export
from s3train.models import build_model
from tests.strategies import random_network
from tests.systolic.support import make_config

DIGITS = "examples/digits.s3net"


@pytest.mark.parametrize("seed", range(25))
def test_every_random_network_compiles_for_both_families_and_maps_do_not_overlap(seed):
    network = random_network(seed)
    for device in (UP5K, ECP5_85):
        compiled = compile_network(network, choose_config([network], device))
        births = {network.input: -1} | {n.output: i for i, n in enumerate(network.nodes) if n.output in network.tensors}
        deaths = dict(births)
        for i, node in enumerate(network.nodes):
            deaths |= dict.fromkeys(node.inputs, i)
        # A part of a concatenation lies in the whole, and lives as long.
        wholes = {
            part: node.output for node in network.nodes if isinstance(node, Concatenation) for part in node.inputs
        }
        for part in reversed(births):
            while part in wholes:
                births[wholes[part]] = min(births[wholes[part]], births[part])
                deaths[part] = max(deaths[part], deaths[wholes[part]])
                part = wholes[part]
        # An output may lie where its residual operand was, word for word, if nobody else needs that.
        added = {node.output: getattr(node, "residual", None) for node in network.nodes}
        items = list(compiled.layouts.items())
        assert compiled.config.program_words or min(m.base for _, m in items) >= len(compiled.words)
        for i, (a, first) in enumerate(items):
            for b, second in items[i + 1 :]:
                together = births[a] <= deaths[b] and births[b] <= deaths[a]
                apart = not words(first) & words(second)
                old, new = (a, b) if births[a] < births[b] else (b, a)
                replaced = added.get(new) == old and deaths[old] == births[new] and first.base == second.base
                assert apart or not together or replaced or holds(wholes, compiled.layouts, a, b), (a, b)


def words(layout):
    if not isinstance(layout, MapLayout):
        return set(range(layout.base, layout.base + layout.words))
    pixels = range(layout.tensor.height * layout.tensor.width)
    return {layout.base + p * layout.pixel + g for p in pixels for g in range(layout.groups)}


def holds(wholes, layouts, a, b):
    """Whether one of two tensors is a part of the other one, and lies in it."""
    for part, whole in ((a, b), (b, a)):
        above = part
        while above in wholes:
            above = wholes[above]
            if above == whole:
                return words(layouts[part]) <= words(layouts[whole])
    return False


def test_the_configuration_survives_json():
    config = choose_config([load(DIGITS)], UP5K)
    assert EngineConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc_width": 12}, r"needs sums of 1\d bits, the engine has 12"),
        ({"program_words": 0, "memory_words": 1024}, "memory words .* the engine has 1024"),
        ({"memory_words": 128}, r"the maps need \d+ memory words, the engine has 128; most maps are alive at layer '"),
        ({"program_words": 256}, r"memory has 256; layer 'block2_conv2_block' has the most weights, 576 words"),
        ({"alphabet": Alphabet.s3(2)}, "has the weight -4, the engine's cells know s3-2"),
        ({"output_shift": 1, "scaled_width": 23}, r"shifts by \d, the engine by at most 1"),
        ({"min_residual_shift": 0, "max_residual_shift": 2}, r"needs a residual shift of \d+, the engine has 2"),
        (
            {"min_residual_shift": 20, "max_residual_shift": 21},
            r"needs a residual shift of \d+, the engine has 20 and more",
        ),
        ({"step_bits": 1}, r"has steps of \d+ memory words, the engine was built for at most 1"),
        ({"stride_bits": 1}, "has strides of 2 pixels, the engine was built for at most 1"),
        ({"class_bits": 3}, "has 10 classes, the engine was built for at most 7"),
        ({"constant_depth": 3}, "sets of output constants, the engine holds 3"),
        ({"activation_bits": 4, "rows": 16, "cols": 4}, "bits, the engine stores 4"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_the_numbers(changes, message):
    network = load(DIGITS)
    config = replace(choose_config([network], ECP5_85), **changes)
    with pytest.raises(CompileError, match=message):
        compile_network(network, config)


def test_an_engine_without_max_pool_or_without_fewer_bits_refuses_them():
    network = next(n for n in map(random_network, range(50)) if any(isinstance(node, MaxPool) for node in n.nodes))
    with pytest.raises(CompileError, match="is a max pool; the engine was built without"):
        compile_network(network, make_config(max_pool=False))
    network = random_network(0, bits=4)
    with pytest.raises(CompileError, match="fewer than 8 bits; the engine was built for 8 bits only"):
        compile_network(network, make_config(mixed_bits=False))


def test_strips_are_written_out_where_memory_is_there_and_repeated_where_it_is_not():
    found = {network: strips(network) for network in map(random_network, range(30))}
    several = [network for network, count in found.items() if count > 1]
    assert len(several) >= 4
    for network in several:
        plain = compile_network(network, block_memory(strip_loops=False))
        loops = compile_network(network, block_memory(strip_loops=True))
        assert len(plain.words) > len(loops.words) and plain.predicted_cycles < loops.predicted_cycles
        assert [layer.writes for layer in plain.layers] == [layer.writes for layer in loops.layers]
    network = several[0]
    spram = make_config(memory=MemoryKind.SPRAM, memory_words=16384, psum_depth=16)
    config = fit_memory([network], spram, UP5K)
    assert not config.strip_loops
    needed = compile_network(network, config).memory_words
    assert fit_memory([network], replace(spram, memory_words=needed - 1), UP5K).strip_loops
    # Block RAM is not spent on it.
    assert fit_memory([network], block_memory(), ECP5_85).strip_loops
    single = next(network for network, count in found.items() if count == 1)
    assert not fit_memory([single], block_memory(), ECP5_85).strip_loops


def block_memory(**changes):
    return make_config(memory_words=65536, psum_depth=16, **changes)


def strips(network):
    """Return the strips of the layer with the most."""
    return max(layer.strips for layer in compile_network(network, block_memory()).layers)


def test_only_convolutions_read_an_image_of_more_bits_than_the_activations():
    network = random_network(0, bits=4, image_bits=8)
    compile_network(network, make_config(activation_bits=4, image_planes=2))
    with pytest.raises(CompileError, match="'t0' has 8 bits, the engine stores 4"):
        compile_network(network, make_config(activation_bits=4))
    network = next(
        n
        for n in (random_network(i, bits=4) for i in range(200))
        if "t0" in n.nodes[0].inputs and n.nodes[0].name == "pool0"
    )
    network = replace(network, tensors={**network.tensors, "t0": replace(network.tensor("t0"), bits=8, zero_point=0)})
    with pytest.raises(CompileError, match=r"reads the image's 8 bits, more than the engine's 4: only convolutions"):
        compile_network(network, make_config(activation_bits=4, image_planes=2))


def test_a_network_of_four_bits_gets_an_engine_of_four():
    network = random_network(139, bits=4, image_bits=8)
    for device, rows in ((UP5K, 16), (ECP5_85, 8)):
        config = choose_config([network], device)
        assert (config.activation_bits, config.image_planes, config.rows) == (4, 2, rows)
        assert EngineConfig.from_json(config.to_json()) == config
    # An image of as few bits needs no second plane, and a wider map needs a wider engine.
    assert choose_config([random_network(139, bits=4)], UP5K).image_planes == 1
    assert choose_config([load(DIGITS)], UP5K).activation_bits == 8


def test_maps_larger_than_the_coordinates_are_refused():
    image = TensorFormat(8, 0, 8)
    model = convert(build_model("small_resnet", (1, 28, 28), 10), image=image)
    network = export(model, image, (1, 28, 28))
    config = replace(choose_config([network], ECP5_85), coordinate_bits=4)
    with pytest.raises(CompileError, match="'stem_block' needs coordinates of 5 bits, the engine has 4"):
        compile_network(network, config)


def one_row(pixels, classes, channels=1):
    image = Tensor("image", channels, 1, pixels, 8, 0, 8)
    weight = np.ones((classes, channels, 1, pixels), np.int32)
    logits = Logits("logits", "image", weight, Alphabet.s3(3), np.zeros(classes, np.int64), 8)
    return Network("row", "image", {"image": image}, (logits,))


def test_images_larger_than_the_coordinates_are_refused():
    network = one_row(40, 2)
    config = choose_config([network], ECP5_85)
    assert config.coordinate_bits == 6
    compile_network(network, config)
    with pytest.raises(CompileError, match="the image has 1 rows of 40 pixels, the engine counts them in 5 bits"):
        compile_network(network, replace(config, coordinate_bits=5))


def test_a_network_of_too_many_weights_is_refused_at_once():
    # Without the check this takes minutes.
    with pytest.raises(CompileError, match="20480000 weights take 320000 words of instructions at least, a program"):
        choose_config([one_row(4096, 1000, channels=5)], ECP5_85)


def test_circular_padding_is_refused_by_name_where_the_engine_has_no_views():
    network = load(DIGITS)
    node = network.nodes[0]
    assert isinstance(node, Convolution)
    network = replace(network, nodes=(replace(node, circular=True), *network.nodes[1:]))
    with pytest.raises(CompileError, match="'stem_block' reads a map that wraps around, or a phase; the engine has no"):
        compile_network(network, make_config())


def test_the_accumulator_width_comes_from_the_weights():
    network = load(DIGITS)
    config = choose_config([network], ECP5_85)
    low = min(int(n.accumulator_bounds(255)[0].min()) for n in network.nodes if isinstance(n, Convolution))
    assert config.acc_width == 18 and -(1 << 17) <= low < -(1 << 16)


def test_devices_are_known_by_name():
    assert DEVICES["iCE40UP5K"].sprams == 4
    assert all(np.unique([d.name]).size == 1 for d in DEVICES.values())

"""What the compiler, its parts and the search do not take, and the sentence that says so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import verilog

from hw.bus.uart import UartReceiver
from hw.devices import ECP5_85, HX8K, UP5K
from hw.graph import Alphabet, Convolution, Logits, Network, NetworkError, Padding, Rescale, Tensor, load
from hw.graph.file import from_bytes, to_bytes
from hw.graph.serialize import graph_from_json, graph_to_json
from hw.memory import MainMemory
from hw.systolic.array_shapes import SHAPES
from hw.systolic.build import BuildError, open_build
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.plan import CapacityError
from hw.systolic.config import EngineConfig
from hw.systolic.cycles import predicted_clocks
from hw.systolic.processing_element import CellPair
from hw.systolic.search import choose_config, search
from hw.systolic.shape import base_config, smallest_alphabet
from hw.systolic.verilog import emit_verilog
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config


def two_layers(residual=None, k=(0, 0), **image):
    """A convolution of 1 x 1 that adds ``residual``, and logits."""
    shape = {"channels": 2, "height": 4, "width": 4, **image}
    tensors = {name: Tensor(name, bits=8, zero_point=0, exponent=8, **shape) for name in ("image", "first", "map")}
    channels, zero = shape["channels"], np.zeros(shape["channels"], np.int64)
    weight = np.ones((channels, channels, 1, 1), np.int32)
    layers = [
        Convolution(
            f"{output}-conv", source, output, weight, Alphabet.s3(3), (1, 1), Padding(), 1, False,
            Rescale(zero, zero, zero + 4, zero, np.resize(k, channels) if added else zero, zero), added,
        )
        for source, output, added in (("image", "first", None), ("first", "map", residual))
    ]  # fmt: skip
    weight = np.ones((2, *tensors["map"].shape), np.int32)
    logits = Logits("logits", "map", weight, Alphabet.s3(3), np.zeros(2, np.int64), 8)
    return Network("two-layers", "image", tensors, (*layers, logits))


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (two_layers("image"), "'map-conv' adds the image itself; the engine adds stored maps only"),
        (two_layers("first", k=(0, 1)), "'map-conv': channels scale the residual differently"),
        (two_layers(channels=9), "the image has 9 channels, the engine takes at most 8"),
    ],
)
def test_networks_that_no_engine_takes(network, sentence):
    with pytest.raises(CompileError, match=sentence):
        compile_network(network, make_config(acc_width=24, scaled_width=40))


def test_rows_wider_than_the_sums_memory():
    network = two_layers(channels=8, width=40, height=1)
    wide = replace(network.nodes[0], weight=np.ones((8, 8, 1, 3), np.int32), padding=Padding(left=1, right=1))
    network = replace(network, nodes=(wide, *network.nodes[1:]))
    with pytest.raises(CompileError, match="'first-conv' has output rows of 40 pixels, the engine sums 16 at once"):
        compile_network(network, make_config(psum_depth=16, acc_width=24, scaled_width=40))


def test_maps_that_do_not_fit_beside_the_program():
    config = make_config(memory_words=64, acc_width=24, scaled_width=40)
    message = (
        r"^the network needs \d+ memory words \(\d+ of program and weights, 32 of maps\), the engine has 64; most maps "
        r"are alive at layer 'first-conv', with 32 words$"
    )
    with pytest.raises(CapacityError, match=message) as raised:
        compile_network(two_layers(), config)
    needed = int(str(raised.value).split()[3])
    assert raised.value.excess == needed / 64 > 1
    compile_network(two_layers(), replace(config, memory_words=needed))


def test_an_operation_that_the_engine_does_not_have():
    network = two_layers()

    class Novelty:
        name, output, inputs = "new", "map", ("first",)

    with pytest.raises(CompileError, match="layer 'new': the engine has no Novelty"):
        compile_network(replace(network, nodes=(network.nodes[0], Novelty(), network.nodes[2])), make_config())


def test_a_weight_of_no_alphabet():
    network = two_layers()
    wrong = replace(network.nodes[0], weight=network.nodes[0].weight * 3)
    wrong.weight[0, 0] = 8
    nodes = [replace(network.nodes[0], weight=network.nodes[0].weight * 4), replace(wrong, name="middle")]
    with pytest.raises(CompileError, match=r"^layer 'middle' has the weight 3, which is in no alphabet of 2 to 5 bits"):
        smallest_alphabet([replace(network, nodes=(*nodes, *network.nodes[1:]))])


def test_more_output_constants_than_an_engine_holds(monkeypatch):
    monkeypatch.setattr("hw.systolic.shape.MOST_CONSTANTS", 1)
    network = two_layers(channels=8)
    # 24 channels in tiles of 8, all with other addends: three sets.
    tensors = {**network.tensors, "map": replace(network.tensors["map"], channels=24)}
    zero = np.zeros(24, np.int64)
    first, second, logits = network.nodes
    second = replace(
        second,
        weight=np.repeat(second.weight, 3, axis=0),
        rescale=Rescale(zero, zero, zero + 4, zero, zero, np.arange(1, 25)),
    )
    logits = replace(logits, weight=np.ones((2, 24, 4, 4), np.int32))
    network = replace(network, tensors=tensors, nodes=(first, second, logits))
    message = (
        r"the network has \d sets of output constants, an engine holds at most 1; layer 'map-conv' has the most, 3$"
    )
    with pytest.raises(CompileError, match=message):
        choose_config([network], ECP5_85)


@pytest.mark.parametrize(
    ("device", "pins", "sentence"),
    [
        (UP5K, {"rows": 12}, "an engine for 8-bit activations on iCE40UP5K can have 8 rows, not 12"),
        (UP5K, {"rows": 0}, "an engine for 8-bit activations on iCE40UP5K can have 8 rows, not 0"),
        (HX8K, {"rows": 24}, "an engine for 8-bit activations on iCE40HX8K can have 4, 8, 16 or 32 rows, not 24"),
        (UP5K, {"rows": 8, "cols": 16}, "on iCE40UP5K with 8 rows can have 4 or 8 columns, not 16"),
        (ECP5_85, {"columns_per_requantizer": 3}, "can have 1, 2, 4 or 8 columns a requantiser, not 3"),
        (
            ECP5_85,
            {"cols": 4, "columns_per_requantizer": 8},
            "4 columns can have 1, 2 or 4 columns a requantiser, not 8",
        ),
        (UP5K, {"clusters": 2}, "an engine on iCE40UP5K has 1 cluster, not 2: more of them share a program memory"),
        (ECP5_85, {"clusters": 17}, "an engine on LFE5U-85F can have 1 to 16 clusters, not 17"),
        (ECP5_85, {"clusters": 0}, "an engine on LFE5U-85F can have 1 to 16 clusters, not 0"),
    ],
)
def test_a_pin_that_no_engine_has_is_refused_with_those_there_are(device, pins, sentence):
    with pytest.raises(CompileError, match=f"{sentence}"):
        search([two_layers()], device, **pins)


def test_what_is_nearest_is_named_where_nothing_fits():
    network = load("examples/resnet8.s3net")
    with pytest.raises(CompileError, match=r"the nearest has (\d+) x (\d+) cells with") as raised:
        search([network], HX8K)
    assert re.search(r"takes about [\d,]+ of 7,680 lookup tables and (\d+) of 32 block RAMs$", str(raised.value))
    nearest = int(str(raised.value).split()[-5])
    for rows, cols in SHAPES:
        if rows < 8:
            continue
        with pytest.raises(CompileError, match="block RAMs") as raised:
            search([network], HX8K, rows=rows, cols=cols)
        assert int(str(raised.value).split()[-5]) >= nearest


def test_the_nearest_of_memories_that_are_too_small(monkeypatch):
    base = replace(base_config([load("examples/digits.s3net")], UP5K), memory_words=1024)
    monkeypatch.setattr("hw.systolic.search.base_config", lambda networks, device: base)
    needed = {}
    for cols in (8, 4, None):
        pins = {} if cols is None else {"cols": cols}
        with pytest.raises(CompileError, match=r"the nearest has 8 x \d cells: the network needs") as raised:
            search([load("examples/digits.s3net")], UP5K, **pins)
        needed[cols] = int(re.search(r"needs (\d+)", str(raised.value))[1])
    assert needed[8] < needed[4] and needed[None] == needed[8]


def test_what_no_engine_takes_is_refused_for_its_own_reason():
    with pytest.raises(CompileError, match="the image has 9 channels, the engine takes at most 8"):
        search([two_layers(channels=9)], ECP5_85, rows=8, cols=8)


def test_a_sum_that_is_needed_before_it_is_stored(monkeypatch):
    network = random_network(3)
    compiled = compile_network(network, make_config(acc_width=24, scaled_width=40))
    monkeypatch.setattr("hw.systolic.timing.psum_loop", lambda config: 1000)
    with pytest.raises(CompileError, match="needs a partial sum before it is stored"):
        predicted_clocks(compiled.layers, compiled.config)


def test_writes_that_are_not_the_programs():
    compiled = compile_network(random_network(3), make_config(acc_width=24, scaled_width=40))
    with pytest.raises(ValueError, match="0 words were written, the program writes"):
        compiled.stored_tensors([])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: UartReceiver(3), "a UART bit must take 4 to 65535 clocks, or half a clock more, got 3"),
        (lambda: CellPair(8, Alphabet.integer(4)), "a shift-add cell has no alphabet int-4"),
        (lambda: MainMemory(60, 64, 8, single_port=False), "a word of 60 bits has no whole number of 8-bit lanes"),
        (lambda: MainMemory(32, 64, 8, single_port=True), "SPRAM is 16384 words of 64 bits"),
        (lambda: MainMemory(64, 64, 8, single_port=True, init=[1]), "SPRAM cannot be initialised by the bitstream"),
        (lambda: EngineConfig.from_json({"alphabet": "s3-3"}), "engine configuration: 'memory'"),
    ],
)
def test_parts_say_what_they_do_not_take(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_build_folder_whose_files_are_folders(tmp_path):
    (tmp_path / "build.json").mkdir()
    with pytest.raises(BuildError, match=r"build\.json: cannot be read"):
        open_build(tmp_path)


def test_a_converter_that_fails_gives_its_last_line(monkeypatch):
    def fail(*arguments, **options):
        raise verilog.YosysError("first\nERROR: out of memory\n")

    monkeypatch.setattr(verilog, "convert", fail)
    with pytest.raises(RuntimeError, match="Yosys, which writes the Verilog, failed: ERROR: out of memory"):
        emit_verilog(make_config())


def test_images_larger_than_their_bits():
    network = random_network(3)
    tensor = replace(network.tensor(network.input), bits=3)
    network = replace(network, tensors={**network.tensors, network.input: tensor})
    images = random_images(network, 0, 2)
    images[0] = 9
    with pytest.raises(NetworkError, match="images have the value 9, 3-bit numbers are expected"):
        network.run(images)


def test_circular_padding_wider_than_the_map():
    network = two_layers(width=1, height=1)
    wide = replace(network.nodes[0], weight=np.ones((2, 2, 5, 5), np.int32), padding=Padding(2, 2, 2, 2), circular=True)
    with pytest.raises(NetworkError, match="'first-conv': circular padding wider than the map"):
        replace(network, nodes=(wide, *network.nodes[1:])).validate()


def test_a_files_layer_with_an_alphabet_of_benches():
    network = two_layers()
    assert from_bytes(to_bytes(network)).name == network.name
    graph, arrays = graph_to_json(network)
    graph["nodes"][0]["alphabet"] = "s3-4-max8"
    with pytest.raises(NetworkError, match="alphabet 's3-4-max8': not one of a layer, supported are s3-2"):
        graph_from_json(graph, arrays)

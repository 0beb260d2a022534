"""What the compiler, its parts and the search do not take, and the sentence that says so."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import verilog

from hw.bus.uart import UartReceiver
from hw.devices import ECP5_85, UP5K
from hw.graph import Alphabet, Convolution, Logits, Network, NetworkError, Padding, Rescale, Tensor
from hw.graph.file import from_bytes, to_bytes
from hw.graph.serialize import graph_from_json, graph_to_json
from hw.memory import MainMemory
from hw.systolic.build import BuildError, open_build
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.cycles import predicted_clocks
from hw.systolic.processing_element import CellPair
from hw.systolic.search import search
from hw.systolic.shape import smallest_alphabet
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
    with pytest.raises(CompileError, match=r"the network needs \d+ memory words \(\d+ of program and weights"):
        compile_network(two_layers(), make_config(memory_words=64, acc_width=24, scaled_width=40))


def test_an_operation_that_the_engine_does_not_have():
    network = two_layers()

    class Novelty:
        name, output, inputs = "new", "map", ("first",)

    with pytest.raises(CompileError, match="layer 'new': the engine has no Novelty"):
        compile_network(replace(network, nodes=(network.nodes[0], Novelty(), network.nodes[2])), make_config())


def test_a_weight_of_no_alphabet():
    network = two_layers()
    wrong = replace(network.nodes[0], weight=network.nodes[0].weight * 3)
    with pytest.raises(CompileError, match="the weight 3 is in no alphabet of 2 to 5 bits"):
        smallest_alphabet([replace(network, nodes=(wrong, *network.nodes[1:]))])


def test_nothing_that_was_pinned_fits():
    with pytest.raises(CompileError, match="no shape of the array is left"):
        search([random_network(3)], UP5K, rows=64, cols=64)
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

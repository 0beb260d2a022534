import json
from dataclasses import replace

import numpy as np
import pytest

from hw.graph import Alphabet, Logits, NetworkError, load, save
from hw.graph.file import from_bytes, to_bytes
from tests.strategies import random_network
from tests.wrapped_networks import wrapped_network

SEED = 13  # convolutions, an average pool and an addition


def edited(change):
    """Return the file with its header's JSON changed."""
    data = to_bytes(random_network(SEED))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    graph = json.loads(header["__metadata__"]["graph"])
    change(header, graph)
    header["__metadata__"]["graph"] = json.dumps(graph)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@pytest.mark.parametrize("seed", range(20))
def test_a_saved_network_is_the_same_when_loaded(seed, tmp_path):
    network = wrapped_network(seed) if seed % 3 == 2 else random_network(seed, shifts=seed % 2 == 1)
    save(network, tmp_path / "a.s3net")
    again = load(tmp_path / "a.s3net")
    save(again, tmp_path / "b.s3net")
    assert (tmp_path / "a.s3net").read_bytes() == (tmp_path / "b.s3net").read_bytes()
    images = np.zeros((2, *network.tensor(network.input).shape), np.uint8)
    for name, values in network.run(images).items():
        assert np.array_equal(values, again.run(images)[name])


CASES = {
    "an unknown operation": (lambda h, g: g["nodes"][0].update(op="Gelu"), "op 'Gelu' is unknown"),
    "an unknown field": (lambda h, g: g["nodes"][0].update(speed=3), "unknown field 'speed'"),
    "a missing field": (lambda h, g: g["nodes"][0].pop("groups"), "field groups is missing"),
    "a field of the wrong type": (lambda h, g: g["nodes"][0].update(groups="1"), "field groups has the wrong type"),
    "an unresolved input": (lambda h, g: g["nodes"][0].update(input="nowhere"), "reads 'nowhere'"),
    "an unknown alphabet": (lambda h, g: g["nodes"][0].update(alphabet="s3-9"), "alphabet"),
    "a huge weight": (lambda h, g: g["nodes"][0].update(weight_shape=[1 << 26, 9, 9, 9]), "weight"),
    "a negative size": (lambda h, g: g["nodes"][0].update(weight_shape=[-1, 1, 1, 1]), "weight_shape"),
    "a wrong zero point": (lambda h, g: g["tensors"][0].update(zero_point=3), "zero_point is 3"),
    "too many bits": (lambda h, g: g["tensors"][0].update(bits=9), "bits is 9"),
    "a huge map": (lambda h, g: g["tensors"][0].update(height=1 << 30), "height"),
    "a wrong size": (lambda h, g: g["tensors"][1].update(height=g["tensors"][1]["height"] + 1), "height"),
    "a tensor twice": (lambda h, g: g["tensors"].append(g["tensors"][0]), "used twice"),
    "a node twice": (lambda h, g: g["nodes"].insert(0, g["nodes"][0]), "node"),
    "no nodes": (lambda h, g: g["nodes"].clear(), "array|nodes"),
    "no logits": (lambda h, g: g["nodes"].pop(), "array"),
    "another version": (lambda h, g: h["__metadata__"].update(version="2"), "version '2' is not supported"),
    "another format": (lambda h, g: h["__metadata__"].update(format="x"), "not a .s3net file"),
    "a stride of 0": (lambda h, g: g["nodes"][0].update(stride=[0, 1]), "stride is 0"),
    "padding beyond the kernel": (lambda h, g: g["nodes"][0]["padding"].update(top=99), "padding"),
    "no input": (lambda h, g: g.update(input="?"), "input '\\?' is not a tensor"),
    "a graph that is a list": (lambda h, g: h.update(x=1), "damaged|unknown"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hand_edited_file_is_refused_in_one_sentence(case, tmp_path):
    change, message = CASES[case]
    file = tmp_path / "bad.s3net"
    file.write_bytes(edited(change))
    with pytest.raises(NetworkError, match=message) as error:
        load(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_cut_anywhere_is_refused():
    data = to_bytes(random_network(SEED))
    for length in range(0, len(data), 7):
        with pytest.raises(NetworkError):
            from_bytes(data[:length])


def test_flipped_bytes_give_a_clear_error_or_a_sound_network():
    data = bytearray(to_bytes(random_network(SEED)))
    rng = np.random.default_rng(0)
    for _ in range(1500):
        copy = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            copy[int(rng.integers(len(copy)))] = int(rng.integers(256))
        try:
            network = from_bytes(bytes(copy))
        except NetworkError:
            continue
        tensor = network.tensor(network.input)
        network.run(np.zeros((1, *tensor.shape), np.uint8))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r"nothing.s3net: cannot be read"):
        load(tmp_path / "nothing.s3net")
    # A device has no size and no end.
    for name in ("/dev/zero", str(tmp_path)):
        with pytest.raises(NetworkError, match=f"{name}: not a file"):
            load(name)


@pytest.mark.parametrize("alphabet", [Alphabet.integer(8), Alphabet.s3(4, 3)])
def test_weights_of_an_engines_or_a_rivals_alphabet_are_not_stored(tmp_path, alphabet):
    network = load("examples/digits-mlp.s3net")
    nodes = tuple(replace(n, alphabet=alphabet) if isinstance(n, Logits) else n for n in network.nodes)
    with pytest.raises(NetworkError, match="for benches only"):
        save(replace(network, nodes=nodes), tmp_path / "a.s3net")
    assert not list(tmp_path.iterdir())

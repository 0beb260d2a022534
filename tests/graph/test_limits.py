"""What a file may describe: sizes whose parts are all sound, names that reach messages and Verilog."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from hw.graph import Alphabet, Logits, MaxPool, Network, NetworkError, Padding, Tensor, load
from hw.graph.file import from_bytes, to_bytes
from hw.graph.ops.window import blocks, pooled, windows
from tests.strategies import random_images, random_network

SEED = 13


def tensor(name, channels, height, width):
    return Tensor(name, channels, height, width, 8, 0, 0)


def logits(source):
    weight = np.zeros((1, *source.shape), np.int32)
    return Logits("logits", source.name, weight, Alphabet.s3(2), np.zeros(1, np.int64), 0)


def pools(source, kernel, stride, padding, count=1):
    """A network of equal pools that all read the image."""
    height, width = (
        (n + 2 * p - k) // s + 1 for n, p, k, s in zip(source.shape[1:], padding, kernel, stride, strict=True)
    )
    outputs = [tensor(f"t{i}", source.channels, height, width) for i in range(count)]
    pads = Padding(padding[0], padding[0], padding[1], padding[1])
    nodes = [MaxPool(f"pool{i}", source.name, out.name, kernel, stride, pads) for i, out in enumerate(outputs)]
    return Network("n", source.name, {t.name: t for t in (source, *outputs)}, (*nodes, logits(outputs[-1])))


def test_a_map_has_a_largest_size():
    tensor("t", 4096, 1024, 1)
    with pytest.raises(NetworkError, match=r"tensor 't': more than 4194304 elements"):
        tensor("t", 4096, 1025, 1)


def test_a_padded_map_has_a_largest_size():
    with pytest.raises(NetworkError, match=r"node 'pool0': the padded map has more than 16777216 elements"):
        pools(tensor("image", 4096, 1, 1), (4096, 4096), (4096, 4096), (4095, 4095)).validate()


def test_all_maps_together_have_a_largest_size():
    pools(tensor("image", 4, 1024, 1024), (1, 1), (1, 1), (0, 0), count=15).validate()
    with pytest.raises(NetworkError, match=r"its maps have 71303168 elements, supported are up to 67108864"):
        pools(tensor("image", 4, 1024, 1024), (1, 1), (1, 1), (0, 0), count=16).validate()


def test_an_image_costs_no_more_additions_than_the_reference_can_do():
    with pytest.raises(NetworkError, match=r"network: 16651386880 additions for an image, .* up to 4294967296"):
        pools(tensor("image", 1, 2048, 2048), (63, 63), (1, 1), (31, 31)).validate()


def test_a_large_window_takes_little_memory():
    network = pools(tensor("image", 1, 64, 2048), (1, 1024), (1, 1), (0, 512))
    network.validate()
    images = random_images(network, 0, 1)
    tracemalloc.start()
    found = network.run(images)["t0"]
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()
    assert found[0, 0, 3, 0] == images[0, 0, 3, :512].max()


@pytest.mark.parametrize("seed", range(30))
def test_windows_are_reduced_as_they_say(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 255, (2, 3, *rng.integers(1, 9, 2)))
    kernel = tuple(int(rng.integers(1, n + 1)) for n in x.shape[2:])
    padding = Padding(*(int(rng.integers(0, k)) for k in (kernel[0], kernel[0], kernel[1], kernel[1])))
    stride = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    view = windows(x, kernel, stride, padding, 0)
    assert np.array_equal(pooled(x, kernel, stride, padding, np.add), view.sum(axis=(4, 5)))
    assert np.array_equal(pooled(x, kernel, stride, padding, np.maximum), view.max(axis=(4, 5)))


@pytest.mark.parametrize("elements", [1, 3, 5, 16, 100])
def test_blocks_cover_a_map_once(elements, monkeypatch):
    monkeypatch.setattr("hw.graph.ops.window.BLOCK", 16)
    seen = np.zeros((7, 9), int)
    for rows, columns in blocks(7, 9, elements):
        seen[rows, columns] += 1
        assert seen[rows, columns].size * elements <= max(16, elements)
    assert (seen == 1).all()


def test_a_reference_in_blocks_is_the_same(monkeypatch):
    network = random_network(SEED)
    images = random_images(network, 1, 3)
    whole = network.run(images)
    monkeypatch.setattr("hw.graph.ops.window.BLOCK", 64)
    for name, values in network.run(images).items():
        assert np.array_equal(values, whole[name])


@pytest.mark.parametrize("name", ["a\nendmodule", "", "x" * 201, "\0", "\u202eb", "\ud800"])
def test_names_that_could_leave_a_comment_or_a_line_are_refused(name):
    with pytest.raises(NetworkError, match=r"network: name must be 1 to 200 printable characters"):
        to_bytes(replace(random_network(SEED), name=name))
    data = to_bytes(random_network(SEED))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    graph = json.loads(header["__metadata__"]["graph"])
    graph["nodes"][0]["name"] = name
    header["__metadata__"]["graph"] = json.dumps(graph)
    text = json.dumps(header).encode()
    with pytest.raises(NetworkError, match=r"node 0: name must be 1 to 200 printable characters"):
        from_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def test_a_file_and_all_its_weights_have_a_largest_size(tmp_path, monkeypatch):
    file = tmp_path / "huge.s3net"
    with file.open("wb") as opened:
        opened.truncate((1 << 26) + 1)
    with pytest.raises(NetworkError, match=r"huge.s3net: 67108865 bytes, files up to 67108864 bytes are read"):
        load(file)
    network = random_network(SEED)
    data = to_bytes(network)
    count = sum(node.weight.size for node in network.nodes if hasattr(node, "weight"))
    monkeypatch.setattr("hw.graph.serialize.MAX_TOTAL", count)
    from_bytes(data)
    monkeypatch.setattr("hw.graph.serialize.MAX_TOTAL", count - 1)
    with pytest.raises(NetworkError, match=rf"network: more than {count - 1} weights"):
        from_bytes(data)


def test_a_pool_touches_no_more_elements_than_its_windows_have():
    touched = []

    def add(x, y, out):
        touched.append(out.size)
        return np.add(x, y, out=out)

    x = np.ones((1, 1, 60, 300), np.int64)
    found = pooled(x, (30, 3), (30, 100), Padding(), add)
    assert found.shape == (1, 1, 2, 3) and (found == 90).all()
    # Between the windows lie 97 of 100 columns.
    assert sum(touched) <= found.size * 30 * 3

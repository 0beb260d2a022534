import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import host.connect
from cli.images import read_images
from cli.main import app
from host.device import Device
from host.transport import MemoryTransport
from hw.devices import UP5K
from hw.graph import load, save
from hw.systolic.search import choose_config
from tests.host.model_board import ModelBoard
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, ["run", *(str(a) for a in arguments)])


@pytest.fixture
def board(tmp_path, monkeypatch):
    network = random_network(57)
    *nodes, logits = network.nodes
    network = replace(network, nodes=(*nodes, replace(logits, exponent=5)))
    images = random_images(network, 1, 4)
    save(network, tmp_path / "net.s3net")
    model = ModelBoard(make_config(memory_words=1024), [network], lambda asked: images)
    monkeypatch.setattr(host.connect, "connect", lambda port, baud, timeout: Device(MemoryTransport(model)))
    np.save(tmp_path / "images.npy", images)
    return network, images, tmp_path


def test_images_of_an_array_are_classified(board):
    network, images, folder = board
    wanted = network.run(images)[network.logits.name]
    result = run("--port", "x", "--network", folder / "net.s3net", folder / "images.npy", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.output)
    assert [entry["logits"] for entry in found["images"]] == wanted.tolist()
    assert [entry["class"] for entry in found["images"]] == np.argmax(wanted, axis=1).tolist()
    scaled = wanted * 2.0**-network.logits.exponent
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    confidence = (shares / shares.sum(axis=1, keepdims=True)).max(axis=1)
    assert [entry["confidence"] for entry in found["images"]] == [round(float(c), 6) for c in confidence]
    text = run("--port", "x", "--network", folder / "net.s3net", folder / "images.npy").output
    assert "images.npy 3: class" in text and "4 images in" in text and "images/s" in text


def test_a_picture_is_scaled_to_the_networks_image(tmp_path, monkeypatch):
    network = load("examples/digits.s3net")
    tensor = network.tensor(network.input)
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    stored = (pixels >> 8 - tensor.bits)[None, None]
    model = ModelBoard(choose_config([network], UP5K), [network], lambda asked: stored)
    monkeypatch.setattr(host.connect, "connect", lambda port, baud, timeout: Device(MemoryTransport(model)))
    result = run("--port", "x", "--network", "examples/digits.s3net", tmp_path / "picture.png", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.output)["images"][0]["logits"] == network.run(stored)[network.logits.name][0].tolist()


def refused(result, *words):
    assert result.exit_code == 1 and "Traceback" not in result.output + result.stderr
    for word in words:
        assert word in result.stderr.replace("\n", " "), result.stderr


def test_what_is_wrong_is_told_in_a_sentence(board):
    _, _, folder = board
    network = ("--network", folder / "net.s3net")
    refused(run("x.npy"), "say where the board is")
    refused(run("--port", "x", "x.npy"), "say which network to load")
    refused(run("--port", "x", *network, "faces"), "data set 'faces' is unknown")
    refused(run("--port", "x", *network, folder / "net.s3net"), "not a picture")
    (folder / "bad.npy").write_bytes(b"x" * 50)
    refused(run("--port", "x", *network, folder / "bad.npy"), "not an array of numpy")
    # A header that does not parse, one of more numbers than there is memory, and a picture that breaks off in a chunk.
    for name, old, new in (("text", b"}", b"("), ("huge", b"(1, 1, 3, 3)", b"(9999999999, 9999, 3, 3)")):
        np.save(folder / f"{name}.npy", np.zeros((1, 1, 3, 3), np.uint8))
        content = (folder / f"{name}.npy").read_bytes().replace(old, new, 1)
        (folder / f"{name}.npy").write_bytes(content)
        refused(run("--port", "x", *network, folder / f"{name}.npy"), f"{name}.npy: not an array of numpy")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "broken.png")
    content = (folder / "broken.png").read_bytes().replace(b"IDAT", b"\0DAT")
    (folder / "broken.png").write_bytes(content)
    refused(run("--port", "x", *network, folder / "broken.png"), "broken.png: not a picture that can be read")
    np.save(folder / "shape.npy", np.zeros((1, 1, 3, 3), np.uint8))
    refused(run("--port", "x", *network, folder / "shape.npy"), "the network takes (1, 7, 8)")
    np.save(folder / "high.npy", np.full((1, 1, 7, 8), 255, np.uint8))
    refused(run("--port", "x", *network, folder / "high.npy"), "has the value 255, the network takes 0 to 15")


def test_a_port_that_is_not_there_is_told(tmp_path):
    refused(run("--port", tmp_path / "tty"), "there is no such port")


def test_a_picture_in_colour_is_taken_as_its_bytes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    stored, names, classes = read_images(load("examples/resnet8.s3net"), [str(tmp_path / "a.png")], 1)
    assert (stored[0] == pixels.transpose(2, 0, 1)).all() and classes is None and len(names) == 1
    for name in ("b.png", "b.npy"):
        with pytest.raises(ValueError, match=rf"{name}: there is no such file"):
            read_images(load("examples/resnet8.s3net"), [str(tmp_path / name)], 1)
    with pytest.raises(ValueError, match=r"digits: an image of \(1, 8, 8\), the network takes \(3, 32, 32\)"):
        read_images(load("examples/resnet8.s3net"), ["digits"], 1)

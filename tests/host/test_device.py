"""The host program with a board in Python, over lines that damage and lose what they carry."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

import shiftforge
from host.connect import connect
from host.device import Device
from host.errors import HostError
from host.protocol import reply
from host.transport import MemoryTransport, SpiTransport, slip_encode
from hw.bus.frame_types import Frame
from hw.bus.spi_device import IDLE
from hw.graph import Alphabet, save
from tests.host.model_board import ModelBoard, self_test_network
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config


class Line:
    """A transport whose board gets and gives bytes through ``damage``."""

    name = "line"

    def __init__(self, board, damage=lambda data, down: data):
        self.board, self.damage = board, damage
        self.received = b""

    def write(self, content):
        self.received += self.damage(self.board(self.damage(content, True)), False)

    def read(self, timeout):
        found, self.received = self.received, b""
        return found

    def close(self):
        pass


@pytest.fixture(scope="module")
def parts():
    network = random_network(57)
    config = make_config(memory_words=1024)
    images = random_images(network, 1, 30)
    return network, config, images, network.run(images)[network.logits.name]


def board_of(parts, **more):
    network, config, images, _ = parts
    rng = np.random.default_rng(0)
    tested = self_test_network(config, rng)
    tensor = tested.tensor(tested.input)
    pictures = rng.integers(0, tensor.maximum + 1, (4, *tensor.shape)).astype(np.uint8)
    known = {network.name: images, tested.name: pictures}
    return ModelBoard(config, [network, tested], lambda asked: known[asked.name], **more)


def test_a_network_is_loaded_and_images_are_answered(parts):
    network, config, images, logits = parts
    board = board_of(parts)
    seen = []
    with connect(MemoryTransport(board)) as device:
        assert device.identity.description.config == config and not device.identity.state.loaded
        with pytest.raises(HostError, match="no network is loaded; load one first"):
            device.infer(images)
        device.load(network)
        found = device.infer(images, seen.append)
        assert found.logits.dtype == np.int32 and found.logits.tolist() == logits.tolist()
        assert found.classes.tolist() == np.argmax(logits, axis=1).tolist()
        assert seen[-1] == len(images) and seen == sorted(seen)
        assert device.counters().answered == len(images)
        assert device.self_test() == 16
        # The earlier network is back.
        assert device.network is network and device.infer(images[:2]).logits.tolist() == logits[:2].tolist()
        assert "images/s" in device.limit()
        with pytest.raises(HostError, match=r"images must be uint8 \(n, "):
            device.infer(images.astype(float))
        device.reset()
        assert not device.status().loaded
    assert device.resent == 0


def test_an_engine_with_clusters_gets_an_image_for_each():
    network = random_network(57)
    config = make_config(memory_words=256, program_words=1024, clusters=2)
    images = random_images(network, 1, 5)
    images = np.concatenate([images, np.zeros_like(images[:1])])
    board = ModelBoard(config, [network], lambda asked: images)
    board.pack = lambda compiled, image: compiled.pack_image(image)
    with connect(MemoryTransport(board)) as device:
        device.load(network)
        found = device.infer(images[:3])
        assert found.logits.tolist() == network.run(images[:3])[network.logits.name].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_damaged_or_lost_is_sent_again(parts, seed):
    network, _, images, logits = parts
    rng = random.Random(seed)
    active = []

    def damage(data, down):
        if not active or not data or rng.random() > 0.15:
            return data
        data = bytearray(data)
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at]
        else:
            data[at:at] = rng.randbytes(2)
        return bytes(data)

    line = Line(board_of(parts), damage)
    device = Device(line, timeout=0.05)
    device.load(network)
    active.append(1)
    answers = []
    # Frames are tried a few times each, and this line is a bad one.
    for image in images[:20]:
        while True:
            try:
                answers += device.infer(image[None]).logits.tolist()
                break
            except HostError:
                pass
    assert answers == logits[:20].tolist() and device.resent > 0


def test_a_board_is_never_sent_more_than_it_can_store(parts):
    network, _, images, logits = parts
    board = board_of(parts, credit=100)
    size = len(board.pack(board.compiled[next(iter(board.compiled))], images[0])) + 13
    stored = []

    class Slow(Line):
        """Answers a frame only when nothing more comes."""

        pending = b""

        def write(self, content):
            self.pending += content
            stored.append(len(self.pending))

        def read(self, timeout):
            if timeout == 0:
                return b""
            cut = min(len(self.pending), size)
            part, self.pending = self.pending[:cut], self.pending[cut:]
            return self.board(part)

    device = Device(Slow(board), timeout=2)
    device._window.run([])
    # What a load takes goes straight into the engine.
    board(b"")
    line = device._transport
    line.read = lambda timeout: (line.board(line.pending), setattr(line, "pending", b""))[0]
    device.load(network)
    del line.read
    stored.clear()
    assert device.infer(images).logits.tolist() == logits.tolist()
    assert max(stored) <= size + 100 and max(stored) > size


def test_an_spi_carries_the_same_frames(parts):
    network, _, images, logits = parts
    board = board_of(parts, link="spi")
    waiting = bytearray()

    def exchange(out):
        from host.transport import SlipDecoder

        exchange.decoder = getattr(exchange, "decoder", None) or SlipDecoder()
        found = bytes(waiting[: len(out)]).ljust(len(out), bytes([IDLE]))
        del waiting[: len(out)]
        waiting.extend(slip_encode(board(exchange.decoder.feed(out))))
        return found

    with Device(SpiTransport(exchange)) as device:
        device.load(network)
        assert device.infer(images).logits.tolist() == logits.tolist()
        assert "SPI" in device.limit()


class Silent(Line):
    def __init__(self, answer=b""):
        super().__init__(lambda content: answer)


def test_what_answers_and_is_no_board_is_told_in_a_sentence(parts):
    with pytest.raises(HostError, match="line: the board is silent; is its bitstream loaded"):
        Device(Silent(), timeout=0.01)
    with pytest.raises(HostError, match="line: something else answers"):
        Device(Silent(b"login: "), timeout=0.01)
    # Another version's identification.
    board = board_of(parts)
    board.description = type("Old", (), {"to_bytes": lambda self: b"\1rest"})()
    with pytest.raises(HostError, match="the board speaks protocol 1, this host 2"):
        Device(Line(board))
    with pytest.raises(HostError, match="/dev/nowhere: there is no such port"):
        connect("/dev/nowhere")


def test_a_board_that_falls_silent_is_told_in_a_sentence(parts):
    network, _, images, _ = parts
    line = Line(board_of(parts))
    device = Device(line, timeout=0.02)
    device.load(network)
    line.damage = lambda data, down: b""
    with pytest.raises(HostError, match="line: the board does not answer any more"):
        device.infer(images)


def test_a_network_for_another_engine_is_told_in_a_sentence(parts, tmp_path):
    network, _, _, _ = parts
    other = make_config(alphabet=Alphabet.s3(2))
    with Device(Line(ModelBoard(other, [], lambda network: []))) as device:
        save(network, tmp_path / "net.s3net")
        with pytest.raises(HostError, match=r"does not fit the engine of model .*cells know s3-2"):
            device.load(tmp_path / "net.s3net")


def test_a_refusal_is_an_error_with_its_reason(parts):
    board = board_of(parts)
    device = Device(Line(board))
    board.answer = lambda message: reply(Frame.ERROR, message.sequence, bytes([8 | 5, 5]))
    with pytest.raises(HostError, match=r"its engine stopped \(an inference did not end\)"):
        device.status()


def test_the_package_is_imported_fast():
    script = (
        "import sys, shiftforge; assert not {'torch', 'numpy', 'amaranth'} & set(sys.modules); "
        "assert callable(shiftforge.connect) and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert shiftforge.load and shiftforge.save and "convert" in dir(shiftforge)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        shiftforge.nothing  # noqa: B018

"""What the reader of ``.s3net`` files must do with any bytes: one sentence, or a network that runs."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import numpy as np

from bitstreams.boards import BOARDS
from hw.graph import Network, NetworkError, load
from hw.graph.file import to_bytes
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import choose_config
from tests.hostile.guard import Crash, seconds, strict
from tests.hostile.large_networks import large_network
from tests.hostile.network_files import mutate
from tests.strategies import random_network
from tests.wrapped_networks import wrapped_network

ROOT = Path(__file__).parents[2]
LOAD_LIMIT = 2.0
"""Seconds within which a file is read or refused."""

_PER_SECOND = 1e8
"""Multiply-accumulates of the numpy reference in a second, at least; larger networks get so much longer."""


class FileJudge:
    """Judges file number ``index``: a mutation of an example or of a random network, or a large one.

    Parameters
    ----------
    compile_every : int
        Every so many accepted networks are compiled for a board too.
    large_every : int
        Every so many files describe a large network.
    """

    def __init__(self, compile_every: int = 20, large_every: int = 200) -> None:
        examples = [
            (ROOT / "examples" / f"{name}.s3net").read_bytes() for name in ("digits-mlp", "digits", "digits-invariant")
        ]
        # Small networks more often: they are quick, and their fields are the same.
        small = [random_network(seed) for seed in range(40)] + [wrapped_network(seed) for seed in range(20)]
        self.sources = [to_bytes(network) for network in small] + examples
        self.compile_every, self.large_every = compile_every, large_every
        self.accepted = 0
        self.folder = tempfile.TemporaryDirectory(
            prefix="shiftforge-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
        )
        self.path = Path(self.folder.name) / f"{os.getpid()}.s3net"

    def data(self, index: int) -> bytes:
        """Return the bytes of file number ``index``."""
        rng = random.Random(index)
        if index % self.large_every == self.large_every - 1:
            return large_network(rng)
        return mutate(rng, rng.choice(self.sources))

    def __call__(self, index: int) -> str:
        """Return ``refused`` or ``accepted``."""
        with strict():
            return self._judge(index)

    def _judge(self, index: int) -> str:
        self.path.write_bytes(self.data(index))
        try:
            with seconds(LOAD_LIMIT):
                network = load(self.path)
        except NetworkError as error:
            one_sentence(str(error), str(self.path))
            return "refused"
        self.accepted += 1
        with seconds(LOAD_LIMIT + work(network) / _PER_SECOND):
            run(network)
        if self.accepted % self.compile_every == 0:
            board = list(BOARDS.values())[self.accepted // self.compile_every % len(BOARDS)]
            with seconds(20):
                try:
                    compile_network(network, choose_config([network], board.device))
                except CompileError as error:
                    one_sentence(str(error), "")
                    return "accepted, no board"
        return "accepted"


def one_sentence(text: str, where: str) -> None:
    """Raise :class:`Crash` unless a message is one readable line that names the file."""
    if not text.startswith(where) or not text.removeprefix(where).strip():
        raise Crash(f"the message does not name the file: {text[:200]!r}")
    if "\n" in text or len(text) > 600 or not text.isprintable():
        raise Crash(f"not one sentence: {text[:200]!r}")


def work(network: Network) -> int:
    """Return the multiply-accumulates of two images."""
    total = 0
    for node in network.nodes:
        weight = getattr(node, "weight", None)
        output = network.tensors.get(node.output)
        area = output.height * output.width if output is not None else 1
        if weight is not None:
            total += area * weight.size
        elif output is not None and hasattr(node, "kernel"):
            total += output.channels * area * node.kernel[0] * node.kernel[1]
    return 2 * total


def run(network: Network) -> None:
    """Run two images; raise :class:`Crash` if a stored number is out of range, or the network cannot be kept."""
    source = network.tensor(network.input)
    images = np.random.default_rng(0).integers(0, source.maximum + 1, (2, *source.shape)).astype(np.uint8)
    images[0] = source.maximum
    for name, values in network.run(images).items():
        tensor = network.tensors.get(name)
        if tensor is None:
            good = values.dtype == np.int32 and values.shape == (2, network.classes)
        else:
            good = (
                values.dtype == np.uint8 and values.shape == (2, *tensor.shape) and int(values.max()) <= tensor.maximum
            )
        if not good:
            raise Crash(f"{name} is {values.dtype} {values.shape}, or out of its range")
    network.predict(images[:1])
    to_bytes(network)

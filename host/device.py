"""A board that runs networks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from host.errors import HostError
from host.frame_window import FrameWindow, Job, Progress
from host.protocol import (
    OVERHEAD,
    Counters,
    Identity,
    State,
    load_payload,
    pack_lanes,
    read_answers,
    read_counters,
    read_echo,
    read_identity,
    read_state,
)
from host.sample_network import sample_network
from host.transport import Transport
from hw.bus.frame_types import DIGEST_BYTES, Frame
from hw.graph import Network, digest, load
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.compiler.plan import CompileError


@dataclass(frozen=True, eq=False)
class Inference:
    """What a board says about images.

    Attributes
    ----------
    logits : int32 (images, classes)
    classes : int64 (images,)
        Index of the largest logit, the lowest one wins ties.
    cycles : int64 (images,)
        Clocks of the inference; images of one inference, on an engine with clusters, share them.
    """

    logits: NDArray[np.int32]
    classes: NDArray[np.int64]
    cycles: NDArray[np.int64]


class Device:
    """A board behind a transport; a context manager, which closes it.

    Frames follow one another without waiting, see :class:`~host.frame_window.FrameWindow`.

    Parameters
    ----------
    transport : Transport
    timeout : float
        Seconds of silence, beside what the engine computes, after which what is on its way counts as lost; longer than
        the board's own patience.

    Raises
    ------
    HostError
        If the board is silent, something else answers, or the board speaks another version.
    """

    def __init__(self, transport: Transport, *, timeout: float = 2.0) -> None:
        self._transport = transport
        self._window = FrameWindow(transport, timeout)
        self._compiled: CompiledNetwork | None = None
        self._identity = self.identify()
        self._window.credit = self._identity.description.credit

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._transport.close()

    @property
    def identity(self) -> Identity:
        """What the board said when it was connected."""
        return self._identity

    @property
    def resent(self) -> int:
        """Frames that were sent again."""
        return self._window.resent

    @property
    def network(self) -> Network | None:
        """The network that this host loaded."""
        return self._compiled.network if self._compiled else None

    def identify(self) -> Identity:
        """Ask what the board is, and what it has loaded."""
        return read_identity(self._window.ask(Frame.IDENTIFY))

    def status(self) -> State:
        """Ask what the engine does."""
        return read_state(self._window.ask(Frame.STATUS), Frame.STATUS)

    def counters(self) -> Counters:
        """Ask what the board counted."""
        return read_counters(self._window.ask(Frame.COUNTERS))

    def reset(self) -> None:
        """Stop the engine; its network is forgotten."""
        self._compiled = None
        read_state(self._window.ask(Frame.RESET), Frame.RESET)

    def load(self, network: Network | str | os.PathLike[str]) -> Network:
        """Compile a network for the board's engine and load it.

        Raises
        ------
        HostError
            If it was made for another engine, or does not fit this one.
        NetworkError
            If the file is no network.
        """
        graph, compiled = self._compile(network)
        program = pack_lanes(compiled.pack_program(), compiled.config.activation_bits)
        name = bytes.fromhex(digest(graph))[:DIGEST_BYTES]
        self._compiled, self._window.compute_s = None, 0.0
        payload = load_payload(name, graph.classes, program, compiled.config.clusters)
        read_state(self._window.ask(Frame.LOAD, payload), Frame.LOAD)
        self._has(compiled)
        return graph

    def use(self, network: Network | str | os.PathLike[str]) -> Network:
        """Use the network that the board has already, from its flash or its bitstream; compared by digest.

        Raises
        ------
        HostError
            If the board has another one, or none that runs.
        NetworkError
            If the file is no network.
        """
        graph, compiled = self._compile(network)
        about = self.identify()
        if not about.state.loaded or about.digest != bytes.fromhex(digest(graph))[:DIGEST_BYTES]:
            has = f"the network {about.digest.hex()}" if about.state.loaded else "no network"
            raise HostError(f"{self._transport.name}: the board has {has}, not {graph.name}; load it")
        self._has(compiled)
        return graph

    def _compile(self, network: Network | str | os.PathLike[str]) -> tuple[Network, CompiledNetwork]:
        graph = network if isinstance(network, Network) else load(Path(network))
        config = self._identity.description.config
        try:
            return graph, compile_network(graph, config)
        except CompileError as error:
            board = self._identity.description.board
            raise HostError(
                f"{graph.name} does not fit the engine of {board} ({config.rows} x {config.cols} cells, weights "
                f"{config.alphabet}): {error}"
            ) from error

    def _has(self, compiled: CompiledNetwork) -> None:
        self._compiled = compiled
        self._window.compute_s = 2 * compiled.predicted_cycles / self._identity.description.clock_hz

    def infer(self, images: NDArray[np.uint8], progress: Progress = lambda done: None) -> Inference:
        """Classify images.

        Parameters
        ----------
        images : uint8 (images, channels, height, width)
            Stored numbers of the network's input tensor.
        progress : callable
            Told how many images are answered.

        Raises
        ------
        HostError
            If no network is loaded, the images are others than it takes, or the board fails.
        """
        compiled = self._compiled
        if compiled is None:
            raise HostError("no network is loaded; load one first")
        images = np.asarray(images)
        network = compiled.network
        tensor = network.tensor(network.input)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != tensor.shape:
            raise HostError(
                f"images must be uint8 (n, {', '.join(map(str, tensor.shape))}), got {images.dtype} {images.shape}"
            )
        if images.size and int(images.max()) > tensor.maximum:
            raise HostError(f"images have the value {int(images.max())}, the network takes 0 to {tensor.maximum}")
        clusters, lanes = compiled.config.clusters, compiled.config.activation_bits
        jobs = []
        for at in range(0, len(images), clusters):
            group = [compiled.pack_image(image) for image in images[at : at + clusters]]
            group += [bytes(len(group[0]))] * (clusters - len(group))
            jobs.append(Job(Frame.INFER, pack_lanes(b"".join(group), lanes)))
        self._window.run(jobs, lambda done: progress(min(done * clusters, len(images))))
        answers = []
        for job in jobs:
            assert job.reply is not None
            answers += read_answers(job.reply, network.classes, clusters)
        del answers[len(images) :]
        return Inference(
            np.array([answer.logits for answer in answers], np.int32).reshape(len(images), network.classes),
            np.array([answer.klass for answer in answers], np.int64),
            np.array([answer.cycles for answer in answers], np.int64),
        )

    def self_test(self, images: int = 4, seed: int = 0) -> int:
        """Run a small random network on the board, hold it against the integer reference, put the earlier one back.

        Returns
        -------
        int
            Logits that were compared.

        Raises
        ------
        HostError
            If the link changes bytes, or a logit differs.
        """
        rng = np.random.default_rng(seed)
        sent = rng.bytes(32)
        _, echo = read_echo(self._window.ask(Frame.SELF_TEST, sent))
        if echo != sent:
            raise HostError("the self-test failed: the board sent back other bytes than it got")
        before = self._compiled
        network = sample_network(self._identity.description.config, rng)
        tensor = network.tensor(network.input)
        pictures = rng.integers(0, tensor.maximum + 1, (images, *tensor.shape)).astype(np.uint8)
        wanted = network.run(pictures)[network.logits.name]
        try:
            self.load(network)
            found = self.infer(pictures).logits
        finally:
            self._compiled = None
        different = int((found != wanted).sum())
        if before is not None:
            self.load(before.network)
        else:
            self.reset()
        if different:
            raise HostError(f"the self-test failed: {different} of {wanted.size} logits differ from the reference")
        return int(wanted.size)

    def limit(self) -> str:
        """Return what limits the images a second, in numbers; a network must be loaded."""
        compiled, about = self._compiled, self._identity.description
        if compiled is None:
            raise HostError("no network is loaded; load one first")
        clusters = compiled.config.clusters
        core = clusters * about.clock_hz / compiled.predicted_cycles
        lanes = compiled.config.activation_bits
        tensor = compiled.network.tensor(compiled.network.input)
        image = len(pack_lanes(compiled.pack_image(np.zeros(tensor.shape, np.uint8)), lanes))
        if about.link != "uart":
            return f"the core could do {core:,.0f} images/s, the SPI's clock is the host's choice"
        line = clusters * about.baud / 10 / (clusters * image + OVERHEAD)
        name = f"UART at {about.baud / 1e6:.3g} Mbaud"
        if line < core:
            return f"{name}: {line:,.0f} images/s; the core could do {core:,.0f}"
        return f"core: {core:,.0f} images/s without its images' way in; the {name} could carry {line:,.0f}"

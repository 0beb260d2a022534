"""The host's side of the frames of :mod:`hw.bus.frame_link`: bytes to send, and what the answers mean."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from hw.bus.frame_link import CODES, REPLY, REQUEST, Command, LinkError
from hw.systolic.logit_output import NO_CLASS


class HostError(RuntimeError):
    """The board's answer is not the expected one."""


@dataclass(frozen=True)
class Answer:
    """An image's answer: logits in class order, the largest one's index, and the clocks of the inference."""

    logits: list[int]
    klass: int
    cycles: int


class Host:
    """Makes requests and reads replies.

    Parameters
    ----------
    classes : int
        Number of logits of the loaded network.
    images : int
        Images of a frame, one for every cluster of the engine.
    lane_bits : int
        The engine's ``activation_bits``, 8 or 4. Programs and images are given an activation a byte; on the way to an
        engine of 4 bits two of them, the first one low, share a byte.
    """

    load_size = 2
    """Bytes of the reply to a load."""

    status_size = 4
    """Bytes of the reply to a status request."""

    def __init__(self, classes: int, images: int = 1, lane_bits: int = 8) -> None:
        if lane_bits not in (4, 8):
            raise HostError(f"the link carries activations of 4 or 8 bits, the engine has {lane_bits}")
        self.classes = classes
        self.images = images
        self.lane_bits = lane_bits

    @property
    def answer_size(self) -> int:
        """Bytes of the reply to a frame of images."""
        return 2 + self.images * self._answer_size

    @property
    def _answer_size(self) -> int:
        return 4 * self.classes + 2 + 4

    def _request(self, command: Any, lanes: bytes = b"") -> bytes:
        payload = lanes
        if self.lane_bits == 4:
            if len(lanes) % 2:
                raise HostError(f"a frame carries pairs of 4-bit activations, got {len(lanes)} activations")
            payload = bytes(low | high << 4 for low, high in zip(lanes[::2], lanes[1::2], strict=True))
        if len(payload) >= 1 << 24:
            raise HostError(f"a frame carries less than {1 << 24} bytes, got {len(payload)}")
        return bytes([REQUEST, CODES[command]]) + struct.pack("<I", len(payload))[:3] + payload

    def load(self, memory: bytes) -> bytes:
        """Return the request that fills the engine's memory and starts it."""
        return self._request(Command.LOAD, memory)

    def infer(self, image: bytes) -> bytes:
        """Return the request that classifies an image, or as many as the engine has clusters, one behind another."""
        return self._request(Command.INFER, image)

    def status(self) -> bytes:
        """Return the request that asks for the engine's error code and whether it runs."""
        return self._request(Command.STATUS)

    def check_load(self, reply: bytes) -> None:
        """Raise ``HostError`` unless the reply confirms a load."""
        self._check(reply, Command.LOAD)
        self._check_size(reply, self.load_size)

    def check_status(self, reply: bytes) -> tuple[int, bool]:
        """Return the engine's error code and whether it runs; ``HostError`` if the reply is another one."""
        self._check(reply, Command.STATUS)
        self._check_size(reply, self.status_size)
        return reply[2], bool(reply[3])

    def answers(self, reply: bytes) -> list[Answer]:
        """Return what the reply says about every image of a frame; ``HostError`` if it is an error."""
        self._check(reply, Command.INFER)
        self._check_size(reply, self.answer_size)
        size = self._answer_size
        return [self._answer(reply[at : at + size]) for at in range(2, 2 + self.images * size, size)]

    def answer(self, reply: bytes) -> Answer:
        """Return what the reply to a single image says; ``HostError`` if it is an error."""
        return self.answers(reply)[0]

    def _answer(self, part: bytes) -> Answer:
        *logits, klass, cycles = struct.unpack(f"<{self.classes}iHI", part)
        if klass == NO_CLASS:
            # An engine without argmax; the lowest index wins ties.
            klass = logits.index(max(logits))
        if klass >= self.classes:
            raise HostError(f"the board answered class {klass}, the network has {self.classes}")
        return Answer(list(logits), klass, cycles)

    @staticmethod
    def _check(reply: bytes, command: Any) -> None:
        if reply[:2] == bytes([REPLY, CODES[Command.ERROR]]) and len(reply) > 2:
            try:
                reason = LinkError(reply[2]).name.lower()
            except ValueError:
                reason = f"unknown reason {reply[2]}"
            raise HostError(f"the board refused the frame: {reason}")
        if reply[:2] != bytes([REPLY, CODES[command]]):
            raise HostError(f"the board answered {reply[:2]!r}, expected {bytes([REPLY, CODES[command]])!r}")

    @staticmethod
    def _check_size(reply: bytes, size: int) -> None:
        if len(reply) != size:
            raise HostError(f"the board's reply has {len(reply)} bytes, expected {size}")

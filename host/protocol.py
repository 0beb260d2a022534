"""Frames of the link to bytes and back; ``docs/protocol.md`` describes them. Touches no port."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host.errors import HostError, RefusedError
from hw.bus.description import Description
from hw.bus.frame_types import DIGEST_BYTES, ECHO_BYTES, PREFIX_BYTES, REPLY, REQUEST, Frame, LinkError
from hw.systolic.header_check import Error
from hw.systolic.logit_output import NO_CLASS

PREAMBLE = 4
"""Magic bytes before a request; two are enough, so that a frame that lost two bytes does not cost the next one."""

MAX_PAYLOAD = (1 << 24) - 1
HEADER_BYTES = 7
OVERHEAD = PREAMBLE + HEADER_BYTES + 2
"""Bytes of a request beside its payload."""

REASONS = {
    LinkError.TYPE: "it does not know this type of frame",
    LinkError.CRC: "the frame arrived damaged",
    LinkError.TIMEOUT: "the frame stopped in the middle",
    LinkError.LENGTH: "the payload has not the length of what was asked for",
    LinkError.ENGINE: "its engine stopped",
    LinkError.NO_NETWORK: "no network is loaded",
}
"""Why a board refuses a frame."""

ENGINE_ERRORS = {
    Error.NONE: "no error",
    Error.VERSION: "the program is of another format",
    Error.SHAPE: "the network was compiled for another engine",
    Error.OPCODE: "the program has an unknown instruction",
    Error.CHECKSUM: "the program arrived damaged",
    Error.OVERDUE: "an inference did not end",
}
"""Why an engine stopped."""


def crc16(content: bytes) -> int:
    """Return CRC-16/IBM-3740: polynomial 1021, initial value FFFF, highest bit first."""
    return binascii.crc_hqx(content, 0xFFFF)


@dataclass(frozen=True)
class Message:
    """A frame without its magic and its CRCs.

    Attributes
    ----------
    kind : int
        A :class:`~hw.bus.frame_types.Frame`, or what the wire said instead.
    sequence : int
        Of the request; a reply repeats it.
    payload : bytes
    """

    kind: int
    sequence: int
    payload: bytes


def request(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """Return a request; ``HostError`` if the payload is too long."""
    return _frame(REQUEST, PREAMBLE, kind, sequence, payload)


def reply(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """Return a reply, as a board makes it."""
    return _frame(REPLY, 2, kind, sequence, payload)


def _frame(magic: int, count: int, kind: int, sequence: int, payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise HostError(f"a frame carries at most {MAX_PAYLOAD} bytes, got {len(payload)}")
    head = bytes([kind, sequence]) + len(payload).to_bytes(3, "little")
    return bytes([magic] * count) + head + crc16(head).to_bytes(2, "big") + payload + crc16(payload).to_bytes(2, "big")


class FrameReader:
    """Finds frames in a stream of bytes, whatever else is in it.

    Parameters
    ----------
    magic : int
        ``REPLY`` for a host, ``REQUEST`` for a simulated board.

    Attributes
    ----------
    damaged : int
        Headers and payloads whose CRC was wrong. The search goes on behind the header, so that a frame that lost
        bytes does not cost the next one.
    seen : int
        Bytes that came.
    """

    def __init__(self, magic: int = REPLY) -> None:
        self.damaged = 0
        self.seen = 0
        self._magic = magic
        self._bytes = bytearray()

    def reset(self) -> None:
        """Look into what there is of a frame that does not come to its end, next time."""
        del self._bytes[:1]

    def feed(self, content: bytes) -> list[Message]:
        """Take bytes; return the frames that are complete now."""
        self.seen += len(content)
        self._bytes += content
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> Message | None:
        data, pair = self._bytes, bytes([self._magic, self._magic])
        while True:
            at = data.find(pair)
            if at < 0:
                del data[: max(0, len(data) - 1)]
                return None
            del data[:at]
            begin = 2
            while begin < len(data) and data[begin] == self._magic:
                begin += 1
            end = begin + HEADER_BYTES
            if len(data) < end:
                return None
            if crc16(bytes(data[begin:end])):
                self.damaged += 1
                del data[:begin]
                continue
            length = int.from_bytes(data[begin + 2 : begin + 5], "little")
            if len(data) < end + length + 2:
                return None
            payload = bytes(data[end : end + length + 2])
            message = Message(data[begin], data[begin + 1], payload[:-2])
            if crc16(payload):
                self.damaged += 1
                del data[:end]
                continue
            del data[: end + length + 2]
            return message


@dataclass(frozen=True)
class State:
    """What a board's engine does.

    Attributes
    ----------
    error : Error
        Why it stopped.
    loaded : bool
        Whether it has a network, and runs unless there is an error.
    busy : bool
        Whether it computes an image.
    """

    error: Error
    loaded: bool
    busy: bool

    @classmethod
    def from_byte(cls, value: int) -> State:
        """Read a reply's first byte; ``HostError`` if it is none."""
        if value >> 5:
            raise HostError(f"the board's state is {value:#04x}, which is none")
        try:
            return cls(Error(value & 7), bool(value & 8), bool(value & 16))
        except ValueError as error:
            raise HostError(f"the board's engine stopped with the unknown error {value & 7}") from error

    def __str__(self) -> str:
        if self.error is not Error.NONE:
            return ENGINE_ERRORS[self.error]
        return ("busy" if self.busy else "running") if self.loaded else "no network"


@dataclass(frozen=True)
class Identity:
    """What a board is, and which network it has: the first bytes of its SHA-256, and the length of an answer."""

    state: State
    digest: bytes
    answer_bytes: int
    description: Description


@dataclass(frozen=True)
class Counters:
    """What a board counted.

    Attributes
    ----------
    state : State
    cycles : int
        Clocks of the last inference.
    answered : int
        Replies with images' answers (one of an engine with clusters has several).
    refused : int
        Frames that were damaged, or answered by an error.
    stalls : int
        How often the link looked for the next byte in the middle of an image, and there was none.
    """

    state: State
    cycles: int
    answered: int
    refused: int
    stalls: int


@dataclass(frozen=True)
class Answer:
    """An image's answer: logits in class order, the largest one's index, and the clocks of the inference."""

    logits: list[int]
    klass: int
    cycles: int


def pack_lanes(lanes: bytes, lane_bits: int) -> bytes:
    """Return activations, a byte each, as the link carries them: two of 4 bits share a byte, the first one low."""
    if lane_bits == 8:
        return lanes
    if lane_bits != 4:
        raise HostError(f"the link carries activations of 4 or 8 bits, the engine has {lane_bits}")
    if len(lanes) % 2:
        raise HostError(f"a frame carries pairs of 4-bit activations, got {len(lanes)} activations")
    values = np.frombuffer(lanes, np.uint8)
    return (values[::2] | values[1::2] << 4).astype(np.uint8).tobytes()


def answer_bytes(classes: int, clusters: int = 1) -> int:
    """Return the length of an answer's payload."""
    return clusters * (4 * classes + 2) + 4


def load_payload(digest: bytes, classes: int, program: bytes, clusters: int = 1) -> bytes:
    """Return a load's payload: the network's digest, the length of an answer, the program's bytes."""
    if len(digest) != DIGEST_BYTES:
        raise HostError(f"a load begins with {DIGEST_BYTES} bytes of a digest, got {len(digest)}")
    return digest + answer_bytes(classes, clusters).to_bytes(3, "little") + program


def check(message: Message, kind: int) -> Message:
    """Return a reply; ``RefusedError`` if it is an error, ``HostError`` if it is another one than expected."""
    if message.kind == Frame.ERROR:
        if len(message.payload) != 2:
            raise HostError(f"the board's error has {len(message.payload)} bytes, expected 2")
        state, reason = State.from_byte(message.payload[0]), message.payload[1]
        text = REASONS[LinkError(reason)] if reason in set(LinkError) else f"unknown reason {reason}"
        if reason == LinkError.ENGINE:
            text += f" ({state})"
        raise RefusedError(f"the board refused the frame: {text}", reason, state)
    if message.kind != kind:
        raise HostError(f"the board answered type {message.kind}, expected {kind}")
    return message


def read_state(message: Message, kind: int) -> State:
    """Return the state from the reply to a load, a reset or a status request."""
    return State.from_byte(_sized(check(message, kind).payload, 1)[0])


def read_echo(message: Message) -> tuple[State, bytes]:
    """Return the state and the bytes that came back from a self-test."""
    payload = check(message, Frame.SELF_TEST).payload
    if not 1 <= len(payload) <= 1 + ECHO_BYTES:
        raise HostError(f"the board's reply has {len(payload)} bytes, expected 1 to {1 + ECHO_BYTES}")
    return State.from_byte(payload[0]), payload[1:]


def read_counters(message: Message) -> Counters:
    """Return what the board counted."""
    payload = _sized(check(message, Frame.COUNTERS).payload, 17)
    return Counters(State.from_byte(payload[0]), *struct.unpack("<IIII", payload[1:]))


def read_identity(message: Message) -> Identity:
    """Return what the board is; ``HostError`` if it is of another version, or none."""
    payload = check(message, Frame.IDENTIFY).payload
    if len(payload) < 2 + PREFIX_BYTES:
        raise HostError(f"the board's identification has {len(payload)} bytes, expected more")
    try:
        description = Description.from_bytes(payload[1 + PREFIX_BYTES :])
    except ValueError as error:
        raise HostError(str(error)) from error
    digest = payload[1 : 1 + DIGEST_BYTES]
    length = int.from_bytes(payload[1 + DIGEST_BYTES : 1 + PREFIX_BYTES], "little")
    return Identity(State.from_byte(payload[0]), digest, length, description)


def read_answers(message: Message, classes: int, clusters: int = 1) -> list[Answer]:
    """Return what an answer says about its images."""
    payload = _sized(check(message, Frame.INFER).payload, answer_bytes(classes, clusters))
    cycles = int.from_bytes(payload[-4:], "little")
    size = 4 * classes + 2
    return [_answer(payload[i * size : (i + 1) * size], classes, cycles) for i in range(clusters)]


def _answer(part: Sequence[int] | bytes, classes: int, cycles: int) -> Answer:
    *logits, klass = struct.unpack(f"<{classes}iH", bytes(part))
    if klass == NO_CLASS:
        # An engine without argmax; the lowest index wins ties.
        klass = logits.index(max(logits))
    if klass >= classes:
        raise HostError(f"the board answered class {klass}, the network has {classes}")
    return Answer(list(logits), klass, cycles)


def _sized(payload: bytes, size: int) -> bytes:
    if len(payload) != size:
        raise HostError(f"the board's reply has {len(payload)} bytes, expected {size}")
    return payload

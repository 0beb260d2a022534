"""A network that a bitstream or a flash brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from host.protocol import load_payload, pack_lanes, request
from hw.bus.frame_types import DIGEST_BYTES, PREFIX_BYTES, Frame
from hw.graph import digest
from hw.systolic.compiler import CompiledNetwork


@dataclass(frozen=True)
class StoredNetwork:
    """A compiled network as what a board has after a load.

    Attributes
    ----------
    words : sequence of int
        Contents of the program's memory.
    prefix : bytes
        What the link keeps of it: digest, length of an answer.
    """

    words: Sequence[int]
    prefix: bytes

    @classmethod
    def of(cls, compiled: CompiledNetwork) -> StoredNetwork:
        """Return what a board has of a network."""
        return cls(compiled.words, _payload(compiled)[:PREFIX_BYTES])


def flash_image(compiled: CompiledNetwork) -> bytes:
    """Return what a flash holds of a network: the request that a host would load it with."""
    return request(Frame.LOAD, 0, _payload(compiled))


def _payload(compiled: CompiledNetwork) -> bytes:
    config = compiled.config
    name = bytes.fromhex(digest(compiled.network))[:DIGEST_BYTES]
    program = pack_lanes(compiled.pack_program(), config.activation_bits)
    return load_payload(name, compiled.network.classes, program, config.clusters)

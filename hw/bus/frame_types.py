"""The words of the link's protocol, version 2; ``docs/protocol.md`` describes it."""

from __future__ import annotations

import enum

VERSION = 2
"""Of the protocol."""

REQUEST = 0xA5
"""Magic byte of a request."""

REPLY = 0x5A
"""Magic byte of a reply."""

DIGEST_BYTES = 8
"""A load begins with so many bytes of the network's SHA-256, and the length of an answer in 3 bytes."""

PREFIX_BYTES = DIGEST_BYTES + 3
"""Bytes of a load before the program."""

ECHO_BYTES = 32
"""Most bytes that a self-test sends back."""


class Frame(enum.IntEnum):
    """Type of a frame: what a request wants; a reply has the type of its request, or ``ERROR``."""

    ERROR = 0
    LOAD = 1
    INFER = 2
    SELF_TEST = 3
    IDENTIFY = 4
    COUNTERS = 5
    RESET = 6
    STATUS = 7


class LinkError(enum.IntEnum):
    """First byte of an ``ERROR`` reply."""

    TYPE = 1
    CRC = 2
    TIMEOUT = 3
    LENGTH = 4
    ENGINE = 5
    NO_NETWORK = 6

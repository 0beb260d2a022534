"""Corrupted frames: bursts of bytes for the board, and replies for the host."""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from host.errors import HostError
from host.protocol import (
    FrameReader,
    Message,
    crc16,
    read_answers,
    read_counters,
    read_echo,
    read_identity,
    read_state,
    reply,
    request,
)
from hw.bus.frame_types import Frame
from tests.hostile.guard import Crash, Tally
from tests.hostile.linked_engine import exchanges

GOOD = ("alive", "reloaded")
"""What the harness says where the link is alive."""


def burst(rng: random.Random, load: bytes, infers: list[bytes]) -> bytes:
    """Return one to three frames, at least one of which is corrupted, with garbage between them."""
    others = (
        request(Frame.STATUS, 3),
        request(Frame.SELF_TEST, 4, b"echo"),
        request(99, 5),
        request(Frame.COUNTERS, 6),
    )
    frames = [rng.choice((load, *infers * 3, *others)) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    at = rng.randrange(len(frames))
    frames[at] = corrupted(rng, frames[at])
    if rng.random() < 0.1:
        rng.shuffle(frames)
    between = [rng.randbytes(rng.randrange(12)) if rng.random() < 0.3 else b"" for _ in frames]
    return b"".join(part for pair in zip(between, frames, strict=True) for part in pair)


def corrupted(rng: random.Random, frame: bytes) -> bytes:
    """Return a frame with one thing wrong."""
    kind = rng.randrange(11)
    data = bytearray(frame)
    at = rng.randrange(len(data))
    if kind <= 1:
        for _ in range(rng.choice((1, 1, 2, 5))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data += rng.randbytes(rng.randrange(1, 40))
    elif kind == 4:
        size = rng.choice((0, 1, len(data) - 6, len(data) - 4, len(data), 255, 256, 65535, 1 << 23, (1 << 24) - 1))
        data[6:9] = max(0, size).to_bytes(3, "little")
        if rng.random() < 0.5:
            # A header that is believed.
            data[9:11] = crc16(bytes(data[4:9])).to_bytes(2, "big")
    elif kind == 5:
        del data[at : at + rng.randrange(1, 6)]
    elif kind == 6:
        data[at:at] = data[at : at + rng.randrange(1, 30)]
    elif kind == 7:
        data[4] = rng.randrange(256)
        data[9:11] = crc16(bytes(data[4:9])).to_bytes(2, "big")
    elif kind == 8:
        data = bytearray(rng.randbytes(rng.randrange(1, 60)))
    elif kind == 9:
        data = bytearray(
            rng.choice(
                (
                    b"\xa5" * rng.randrange(1, 40),
                    b"\0" * 40,
                    b"\xff" * 40,
                    b"\x5a\x5a" + bytes(30),
                    b"\xa5\xa5" + bytes(30),
                )
            )
        )
    else:
        a, b = sorted((at, rng.randrange(len(data))))
        data[a:b] = data[a:b][::-1]
    return bytes(data)


def run_harness(
    program: Path, count: int, *, begin: int = 0, progress: Callable[[int], None] = lambda done: None
) -> Tally:
    """Send bursts ``begin`` to ``count - 1`` to the link and the engine under Verilator."""
    load, images = exchanges()
    infers = [request for request, _ in images]

    def block(data: bytes) -> bytes:
        return struct.pack("<I", len(data)) + data

    tally = Tally(Counter(), [])
    # Few enough that neither pipe is ever full.
    step = 500
    for first in range(begin, count, step):
        running = reply(Frame.STATUS, 2, b"\x08")
        head = block(load) + block(reply(Frame.LOAD, 1, b"\x08")) + block(request(Frame.STATUS, 2)) + block(running)
        head += struct.pack("<I", len(images)) + b"".join(block(a) + block(b) for a, b in images)
        indices = range(first, min(count, first + step))
        bursts = (struct.pack("<I", i) + block(burst(random.Random(i), load, infers)) for i in indices)
        done = subprocess.run([program], input=head + b"".join(bursts), capture_output=True, timeout=900, check=False)
        lines = done.stdout.decode().splitlines()
        for line in lines:
            index, verdict = line.split(" ", 1)
            if verdict in GOOD:
                tally.verdicts[verdict] += 1
            else:
                tally.crashes.append((int(index), verdict))
        if done.returncode or len(lines) != len(indices):
            tally.crashes.append((first + len(lines), f"the harness ended with {done.returncode}: {done.stderr!r}"))
        progress(indices.stop)
    return tally


def corrupted_reply(rng: random.Random, classes: int, clusters: int) -> bytes:
    """Return corrupted replies of a board."""
    answer = rng.randbytes(4 * classes) + rng.randrange(classes).to_bytes(2, "little")
    whole = (
        reply(Frame.INFER, 1, answer * clusters + rng.randbytes(4)),
        reply(Frame.LOAD, 2, bytes([rng.randrange(64)])),
        reply(Frame.COUNTERS, 3, bytes([rng.randrange(32)]) + rng.randbytes(16)),
        reply(Frame.SELF_TEST, 4, bytes([8]) + rng.randbytes(5)),
        reply(Frame.IDENTIFY, 5, bytes(12) + rng.randbytes(40)),
        reply(Frame.ERROR, 6, rng.randbytes(2)),
        reply(rng.randrange(256), 7, rng.randbytes(rng.randrange(30))),
    )
    damaged = corrupted(rng, rng.choice(whole))
    # Damage that no CRC sees: whoever speaks on the line makes the frame.
    return rng.choice((damaged, b"".join(rng.choices(whole, k=2)), reply(rng.randrange(9), 8, damaged)))


class ReplyJudge:
    """Judges reply number ``index``: the host reads it, or raises its own error in one sentence."""

    def __call__(self, index: int) -> str:
        """Return ``read`` or ``refused``."""
        rng = random.Random(index)
        classes, clusters = rng.choice((1, 2, 10, 1000)), rng.choice((1, 1, 2))
        messages = FrameReader().feed(corrupted_reply(rng, classes, clusters))
        verdict = "refused"
        for message in messages:
            try:
                self._read(rng, message, classes, clusters)
                verdict = "read"
            except HostError as error:
                if "\n" in str(error) or len(str(error)) > 300:
                    raise Crash(f"not one sentence: {error}") from error
        return verdict

    @staticmethod
    def _read(rng: random.Random, message: Message, classes: int, clusters: int) -> None:
        readers = (read_echo, read_counters, read_identity, lambda found: read_state(found, Frame.LOAD))
        if message.kind == Frame.INFER:
            found = read_answers(message, classes, clusters)
            if len(found) != clusters or any(not 0 <= answer.klass < classes for answer in found):
                raise Crash(f"read as {found}")
        else:
            rng.choice(readers)(message)

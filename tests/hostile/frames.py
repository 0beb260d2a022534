"""Corrupted frames: bursts of bytes for the board, and replies for the host."""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bitstreams.host import Host, HostError
from tests.hostile.guard import Crash, Tally
from tests.hostile.linked_engine import exchanges

GOOD = ("alive", "reloaded", "silent")
"""What the harness says where the link is alive."""

_STATUS = b"\xa5S\0\0\0"


def burst(rng: random.Random, load: bytes, infers: list[bytes]) -> bytes:
    """Return one to three frames, at least one of which is corrupted, with garbage between them."""
    frames = [rng.choice((load, *infers * 3, _STATUS, b"\xa5?\0\0\0")) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
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
        data[2:5] = max(0, size).to_bytes(3, "little")
    elif kind == 5:
        del data[at : at + rng.randrange(1, 6)]
    elif kind == 6:
        data[at:at] = data[at : at + rng.randrange(1, 30)]
    elif kind == 7:
        data[1] = rng.randrange(256)
    elif kind == 8:
        data = bytearray(rng.randbytes(rng.randrange(1, 60)))
    elif kind == 9:
        data = bytearray(rng.choice((b"\xa5" * rng.randrange(1, 40), b"\0" * 40, b"\xff" * 40, b"\x5aI" + bytes(30))))
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
        head = block(load) + struct.pack("<I", len(images)) + b"".join(block(a) + block(b) for a, b in images)
        indices = range(first, min(count, first + step))
        bursts = (struct.pack("<I", i) + block(burst(random.Random(i), load, infers)) for i in indices)
        done = subprocess.run([program], input=head + b"".join(bursts), capture_output=True, timeout=900, check=False)
        lines = done.stdout.decode().splitlines()
        for line in lines:
            index, verdict = line.split(" ", 1)
            if verdict == "silent" and not collides(burst(random.Random(int(index)), load, infers)):
                verdict = "wrong answer without a damaged program"
            if verdict in GOOD:
                tally.verdicts[verdict] += 1
            else:
                tally.crashes.append((int(index), verdict))
        if done.returncode or len(lines) != len(indices):
            tally.crashes.append((first + len(lines), f"the harness ended with {done.returncode}: {done.stderr!r}"))
        progress(indices.stop)
    return tally


def reply(rng: random.Random, host: Host) -> bytes:
    """Return a corrupted reply of the board."""
    answer = rng.randbytes(4 * host.classes) + rng.randrange(host.classes).to_bytes(2, "little") + rng.randbytes(4)
    status = bytes((rng.randrange(6), rng.randrange(2)))
    whole = (b"\x5aI" + answer * host.images, b"\x5aL", b"\x5aS" + status, b"\x5aE" + bytes((rng.randrange(1, 4),)))
    return corrupted(rng, rng.choice(whole))


def collides(data: bytes) -> bool:
    """Return whether a burst has a program that is another one with the right sums: nobody can tell."""
    load = exchanges()[0]
    at = data.find(load[:2])
    while at >= 0:
        content = data[at + 5 : at + 5 + int.from_bytes(data[at + 2 : at + 5], "little")]
        first = second = 0
        for lane in content:
            first = first + lane & 255
            second = second + first & 255
        if content and content != load[5:] and first == second == 0:
            return True
        at = data.find(load[:2], at + 1)
    return False


class ReplyJudge:
    """Judges reply number ``index``: the host reads it, or raises its own error in one sentence."""

    def __call__(self, index: int) -> str:
        """Return ``read`` or ``refused``."""
        rng = random.Random(index)
        host = Host(rng.choice((1, 2, 10, 1000)), images=rng.choice((1, 1, 2)))
        data = reply(rng, host)
        try:
            what = rng.randrange(3)
            if what == 0:
                host.check_load(data)
            elif what == 1:
                host.check_status(data)
            else:
                found = host.answers(data)
                if len(found) != host.images or any(not 0 <= a.klass < host.classes for a in found):
                    raise Crash(f"read as {found}")
        except HostError as error:
            if "\n" in str(error) or len(str(error)) > 300:
                raise Crash(f"not one sentence: {error}") from error
            return "refused"
        return "read"

"""Frames on their way: requests that follow one another without waiting, and are sent again where they are lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from host.errors import HostError, RefusedError
from host.protocol import FrameReader, Message, check, request
from host.transport import Transport
from hw.bus.frame_types import LinkError

RETRIES = 4
"""How often a frame is sent again."""

PIECE = 256
"""Bytes that are written before the line is looked at."""

WINDOW = 32
"""Most frames on their way."""

Progress = Callable[[int], None]


@dataclass
class Job:
    """A request, and its reply once it is there."""

    kind: int
    payload: bytes
    tries: int = 0
    reply: Message | None = field(default=None)


@dataclass
class _Sent:
    job: Job
    sequence: int
    end: int


class FrameWindow:
    """Sends requests and takes their replies, several on their way at a time.

    Frames follow one another as far as the board has said that it can store them. A frame that was damaged or lost is
    sent again, a few times.

    Parameters
    ----------
    transport : Transport
    timeout : float
        Seconds of silence, beside ``compute_s``, after which what is on its way counts as lost.

    Attributes
    ----------
    credit : int
        Bytes that the board can store; 0, one frame at a time, until it has said so.
    compute_s : float
        What an inference takes.
    resent : int
        Frames that were sent again.
    """

    def __init__(self, transport: Transport, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._reader = FrameReader()
        self._sequence = int(time.time() * 8) & 255
        self.credit = 0
        self.compute_s = 0.0
        self.resent = 0

    def ask(self, kind: int, payload: bytes = b"") -> Message:
        """Send one request; return its reply."""
        job = Job(kind, payload)
        self.run([job])
        assert job.reply is not None
        return job.reply

    def run(self, jobs: Sequence[Job], progress: Progress = lambda done: None) -> None:
        """Send all jobs and wait until each has its reply.

        Raises
        ------
        HostError
            If the board is silent, something else answers, or a request is refused.
        """
        waiting, sent = deque(jobs), deque[_Sent]()
        position = answered = done = 0
        rest, total = b"", len(jobs)
        heard = time.monotonic()
        while done < total:
            # Beyond the oldest frame that is not answered, as many bytes as the board can store.
            bound = (sent[0].end if sent else position) + self.credit
            if not rest and waiting and len(sent) < (WINDOW if self.credit else 1) and (not sent or position < bound):
                job = waiting.popleft()
                self._sequence = self._sequence + 1 & 255
                rest = request(job.kind, self._sequence, job.payload)
                sent.append(_Sent(job, self._sequence, position + len(rest)))
                heard = max(heard, time.monotonic()) if len(sent) == 1 else heard
                bound = sent[0].end + self.credit
            room = min(len(rest), PIECE, bound - position)
            if room > 0:
                self._transport.write(rest[:room])
                position += room
                rest = rest[room:]
                heard = time.monotonic() if len(sent) == 1 else heard
            content = self._transport.read(0 if room > 0 else 0.05)
            if content:
                heard = time.monotonic()
            messages = self._reader.feed(content)
            if not messages and time.monotonic() - heard > self._timeout + self.compute_s:
                # A reply whose end is missing may hide another one.
                self._reader.reset()
                messages = self._reader.feed(b"")
                if not messages:
                    rest = b""
                    self._lost(sent, waiting)
                    sent.clear()
                    heard = time.monotonic()
                    continue
            for message in messages:
                answered += self._take(message, sent, waiting)
            if answered != done:
                done = answered
                progress(done)

    def _take(self, message: Message, sent: deque[_Sent], waiting: deque[Job]) -> int:
        """Give a reply to its job; return how many jobs are done by it."""
        if message.sequence not in (found.sequence for found in sent):
            return 0
        lost = []
        while sent[0].sequence != message.sequence:
            # The board answers in order: it never saw these.
            lost.append(sent.popleft())
        job = sent.popleft().job
        done = 0
        try:
            check(message, job.kind)
            job.reply, done = message, 1
        except RefusedError as error:
            if error.reason not in (LinkError.CRC, LinkError.TIMEOUT, LinkError.LENGTH) or job.tries >= RETRIES:
                raise
            lost.append(_Sent(job, 0, 0))
        self._lost(lost, waiting)
        return done

    def _lost(self, lost: Sequence[_Sent], waiting: deque[Job]) -> None:
        """Have frames sent again; ``HostError`` if that was done often enough."""
        for found in reversed(lost):
            found.job.tries += 1
            if found.job.tries > RETRIES:
                raise HostError(self._silence())
            self.resent += 1
            waiting.appendleft(found.job)

    def _silence(self) -> str:
        name = self._transport.name
        if self.credit:
            return f"{name}: the board does not answer any more; is it still powered? reset it and connect again"
        if self._reader.damaged or self._reader.seen:
            return (
                f"{name}: something else answers than this version's link; is it the right port, baud rate and "
                "bitstream?"
            )
        return f"{name}: the board is silent; is its bitstream loaded, and the port and baud rate the right ones?"

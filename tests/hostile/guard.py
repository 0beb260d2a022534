"""Runs a judge over many inputs in a process that may not take much memory or time."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np

ALLOWED = 1 << 30
"""Bytes that a process may take on top of what it has after its imports."""

_DEAD_AFTER = 300.0
"""Seconds without a word after which a process hangs, even where no signal reaches it."""


class Crash(Exception):
    """What a part of the project must never do with an input; the sentence says what it did."""


class TooSlow(BaseException):
    """Raised by the alarm: not an ``Exception``, so that no handler in the code under test takes it."""


class Judge(Protocol):
    """Feeds input number ``index`` to the part under test and names what came out; raises anything for a crash."""

    def __call__(self, index: int) -> str: ...


@dataclass
class Tally:
    """What became of the inputs.

    Attributes
    ----------
    verdicts : Counter
        How often each verdict of the judge was given.
    crashes : list of (int, str)
        Index of the input, and the error.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[int, str]] = field(default_factory=list)


def limit_memory(extra: int = ALLOWED) -> None:
    """Let this process have ``extra`` bytes more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextlib.contextmanager
def seconds(limit: float) -> Iterator[None]:
    """Raise :class:`TooSlow` in the block after ``limit`` seconds of the processor; main thread only.

    The processor's time does not depend on what else runs; a block that waits for ever is left to the parent.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {limit:g} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Make every warning, numpy's arithmetic ones too, an error."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def judge_one(judge: Judge, index: int) -> tuple[str, str]:
    """Return (verdict, "") or ("", error) of an input."""
    try:
        return judge(index), ""
    except (Exception, TooSlow) as error:
        where = _innermost(error)
        return "", f"{type(error).__name__}: {str(error)[:200]} ({where})"


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def run_guarded(
    make_judge: Callable[..., Judge],
    arguments: tuple[Any, ...],
    count: int,
    *,
    begin: int = 0,
    memory: int = ALLOWED,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Judge inputs ``begin`` to ``count - 1`` in a process of its own; one that dies or hangs is a crash.

    Parameters
    ----------
    make_judge, arguments
        Called in the process; must be importable by name.
    count : int
        End of the range of inputs.
    memory : int
        Bytes of address space that the process may take after the judge was made.
    progress : callable
        Told how many inputs are done.
    """
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    while begin < count:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, make_judge, arguments, begin, count, memory))
        process.start()
        theirs.close()
        reason = "the process died"
        try:
            ours.recv()
        except EOFError:
            raise RuntimeError("the judge cannot be made") from None
        try:
            while begin < count:
                if not ours.poll(_DEAD_AFTER):
                    reason = "the process hung"
                    break
                index, verdict, error = ours.recv()
                if verdict:
                    tally.verdicts[verdict] += 1
                else:
                    tally.crashes.append((index, error))
                begin = index + 1
                progress(begin)
        except EOFError:
            pass
        if begin < count:
            tally.crashes.append((begin, reason))
            begin += 1
        process.kill()
        process.join()
    return tally


def _work(
    pipe: Connection, make_judge: Callable[..., Judge], arguments: tuple[Any, ...], begin: int, count: int, memory: int
) -> None:
    judge = make_judge(*arguments)
    limit_memory(memory)
    pipe.send("ready")
    for index in range(begin, count):
        pipe.send((index, *judge_one(judge, index)))

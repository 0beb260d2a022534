"""Hostile files, frames, replies and command lines in large numbers, with fixed seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from tests.hostile.frames import ReplyJudge, run_harness
from tests.hostile.guard import Tally, run_guarded
from tests.hostile.judge_commands import CommandJudge
from tests.hostile.judge_files import FileJudge
from tests.hostile.linked_engine import compile_harness

COUNTS = {"s3net": 100_000, "frames": 100_000, "replies": 100_000, "command line": 10_000}
"""Inputs by target."""


def _frames(count: int, progress: Callable[[int], None]) -> Tally:
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        return run_harness(compile_harness(Path(folder)), count, progress=progress)


_RUN: dict[str, Callable[[int, Callable[[int], None]], Tally]] = {
    "s3net": lambda count, progress: run_guarded(FileJudge, (), count, progress=progress),
    "frames": _frames,
    "replies": lambda count, progress: run_guarded(ReplyJudge, (), count, progress=progress),
    "command line": lambda count, progress: run_guarded(CommandJudge, (), count, progress=progress),
}


def measure(console: Console, counts: dict[str, int] | None = None) -> list[dict[str, Any]]:
    """Judge all inputs; return, by target, how many there were, crashed, and what became of the others.

    For frames ``accepted`` counts the bursts after which the link and the engine went on at once, ``reloaded`` those
    that damaged a load, which the state said.
    """
    found = []
    for target, count in (counts or COUNTS).items():
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
            task = bar.add_task(target, total=count)
            tally = _RUN[target](count, lambda done, task=task, bar=bar: bar.update(task, completed=done))
        for index, error in tally.crashes[:20]:
            console.print(f"{target} {index}: {error}", markup=False)
        verdicts = tally.verdicts
        accepted = sum(n for name, n in verdicts.items() if name.startswith(("accepted", "alive", "read")))
        entry = {"target": target, "inputs": count, "crashes": len(tally.crashes), "accepted": accepted}
        entry |= {name: verdicts[name] for name in ("refused", "reloaded") if name in verdicts}
        console.print(f"{target}: {entry}", markup=False)
        found.append(entry)
    return found

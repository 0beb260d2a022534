"""Random networks on random engines, for as long as one likes: ``SHIFTFORGE_MINUTES`` (10), ``SHIFTFORGE_SEED`` (0)."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from sim.runner import SimulatorError
from tests.choosers import SeededChooser
from tests.random_cases import command, draw_case, refused, run_cases

AT_ONCE = 40
"""Networks in one simulation of one engine."""


def measure(console: Console) -> dict[str, Any]:
    """Return how many networks were made, refused by their engine, and equal in every number and clock."""
    end = time.monotonic() + 60 * float(os.environ.get("SHIFTFORGE_MINUTES", "10"))
    engine = int(os.environ.get("SHIFTFORGE_SEED", "0"))
    figures = {"engines": 0, "made": 0, "refused": 0, "equal": 0, "values": 0}
    while time.monotonic() < end:
        drawn = [draw_case(SeededChooser(1000 * engine + i), [engine]) for i in range(AT_ONCE)]
        cases = [case for case in drawn if not refused(case)]
        figures["refused"] += len(drawn) - len(cases)
        engine += 1
        if not cases:
            continue
        figures["engines"] += 1
        figures["made"] += len(cases)
        try:
            with tempfile.TemporaryDirectory() as cache:
                results = run_cases(cases, Path(cache))
        except (SimulatorError, ValueError) as error:
            console.print(f"[red]{error}[/red]: {command(cases)}")
            continue
        figures["values"] += sum(result.values for result in results)
        figures["equal"] += sum(result.ok for result in results)
        for case, result in zip(cases, results, strict=True):
            if not result.ok:
                console.print(f"[red]{result.first_difference or 'clocks differ'}[/red]: {command([case])}")
        console.print(
            f"engine {engine - 1}: {figures['equal']} of {figures['made']} networks equal, {figures['engines']} engines"
        )
    return figures

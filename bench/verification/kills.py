"""Commands killed at random moments, and whether a later run makes what an undisturbed one made."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.hostile.kill import SCENARIOS, Killer, KillError

KILLS = {"train": 40, "export": 20, "generate": 24, "simulate": 12, "synth": 8}
"""Kills by verb."""

_IN_A_ROW = 4
"""Kills before the command may finish."""

_NETWORK = 58
"""Seed of the small network that is simulated and synthesised."""


def measure(console: Console, kills: dict[str, int] | None = None) -> dict[str, Any]:
    """Kill every verb as often as ``kills`` says; return how often, and after how many kills all was well."""
    by_verb: dict[str, dict[str, Any]] = {}
    for verb, wanted in (kills or KILLS).items():
        figures: dict[str, Any] = {"tried": 0, "recovered": 0}
        trained = verb in ("train", "export")
        with tempfile.TemporaryDirectory(prefix="shiftforge-") as name, console.status(verb) as status:
            killer = Killer(SCENARIOS[verb], Path(name) / verb, None if trained else _NETWORK)
            figures["seconds"] = round(killer.seconds, 1)
            seed = 0
            while figures["tried"] < wanted:
                rng = random.Random(f"{verb} {seed}")
                seed += 1
                times = min(_IN_A_ROW, wanted - figures["tried"])
                try:
                    struck = killer.strike(rng, times)
                except KillError as error:
                    console.print(f"{verb}: {error}")
                    figures["tried"] += times
                    continue
                figures["tried"] += struck
                figures["recovered"] += struck
                status.update(f"{verb}: {figures['tried']} of {wanted}")
        console.print(f"{verb}: {figures}")
        by_verb[verb] = figures
    return {
        "tried": sum(figures["tried"] for figures in by_verb.values()),
        "recovered": sum(figures["recovered"] for figures in by_verb.values()),
        "by_verb": by_verb,
    }

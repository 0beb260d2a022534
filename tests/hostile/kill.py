"""Kills commands at random moments and holds what a later run makes against what an undisturbed one made."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.graph import save
from tests.strategies import random_network

ROOT = Path(__file__).parents[2]
PATIENCE = 1800.0
"""Seconds for a command that is not killed."""


class KillError(AssertionError):
    """A killed command left something that a later run does not recover from, or takes for whole."""


@dataclass(frozen=True)
class Scenario:
    """A command, what it needs, and what it must leave.

    Attributes
    ----------
    verb : str
        Name of the command.
    before : sequence of command lines
        Run once, undisturbed, before it.
    line : command line
        What is killed.
    files : sequence of str
        What it must leave: equal to what an undisturbed run leaves, whenever it is there.
    """

    verb: str
    before: Sequence[Sequence[str]]
    line: Sequence[str]
    files: Sequence[str]


_TRAIN = ("train", "mlp", "--epochs", "8", "--out", "run")
_EXPORT = ("export", "run", "--out", "net.s3net", "--samples", "5")
_GENERATE = ("generate", "net.s3net", "--board", "hx8k_evn", "--out", "out")
_SIMULATE = ("simulate", "out", "--samples", "2")
_SYNTH = ("synth", "out", "--seeds", "1")
_BUILD = tuple(f"out/{name}" for name in ("build.json", "engine.v", "program.hex", "network.s3net", "reference.npz"))

SCENARIOS = {
    scenario.verb: scenario
    for scenario in (
        Scenario("train", (), _TRAIN, ("run/config.json", "run/model.safetensors", "run/result.json")),
        Scenario("export", (_TRAIN,), _EXPORT, ("net.s3net", "net.reference.npz")),
        Scenario("generate", (_TRAIN, _EXPORT), _GENERATE, _BUILD),
        Scenario("simulate", (_TRAIN, _EXPORT, _GENERATE), _SIMULATE, ("out/simulation.json",)),
        Scenario("synth", (_TRAIN, _EXPORT, _GENERATE), _SYNTH, ("out/board/result.json", "out/board/hx8k_evn.bin")),
    )
}
"""The chain from training to bitstream, on the smallest network and board."""


def command(line: Sequence[str]) -> list[str]:
    """Return the command line of a verb in a process of its own."""
    return [sys.executable, "-m", "cli.main", *line]


def environment() -> dict[str, str]:
    """Return the environment of a command that runs in another folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "SHIFTFORGE_DATA": str(ROOT / "data")}


def finish(line: Sequence[str], folder: Path) -> float:
    """Run a command to its end and return the seconds; :class:`KillError` if it fails."""
    begin = time.monotonic()
    done = subprocess.run(
        command(line), cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise KillError(f"shiftforge {' '.join(line)} failed: {done.stderr.strip()[-400:]}")
    return time.monotonic() - begin


def kill(line: Sequence[str], folder: Path, delay: float) -> bool:
    """Run a command and kill it, and everything it began, after ``delay`` seconds; return whether it still ran."""
    process = subprocess.Popen(
        command(line), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def meaning(path: Path) -> object:
    """Return what is the same in two files that say the same: archives carry dates, results the seconds they took."""
    content = path.read_bytes()
    if path.suffix == ".npz":
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: (str(arrays[name].dtype), arrays[name].shape, arrays[name].tobytes()) for name in arrays}
    if path.name == "result.json" and path.parent.name == "run":
        return {**json.loads(content), "seconds": 0}
    return content


class Killer:
    """Kills one scenario's command again and again.

    Parameters
    ----------
    scenario : Scenario
        What is killed.
    folder : Path
        Where it works.
    network_seed : int or None
        Take a random network instead of a trained one, which saves the training.
    """

    def __init__(self, scenario: Scenario, folder: Path, network_seed: int | None = None) -> None:
        self.scenario, self.folder = scenario, folder
        self.sound, self.work = folder / "sound", folder / "work"
        self.sound.mkdir(parents=True)
        before = list(scenario.before)
        if network_seed is not None:
            save(random_network(network_seed), self.sound / "net.s3net")
            before = before[2:]
        for line in before:
            finish(line, self.sound)
        shutil.copytree(self.sound, self.work)
        self.seconds = finish(scenario.line, self.sound)
        self.files = [name for name in scenario.files if (self.sound / name).exists()]
        self.wanted = {name: meaning(self.sound / name) for name in self.files}

    def strike(self, rng: random.Random, times: int) -> int:
        """Kill the command ``times`` times on its way, let it finish, compare; return how often it still ran.

        Raises
        ------
        KillError
            If a file is there under its own name and is not whole, the last run fails, or its files differ.
        """
        prepared = self.folder / "prepared"
        shutil.rmtree(prepared, ignore_errors=True)
        shutil.copytree(self.work, prepared)
        struck = 0
        try:
            for _ in range(times):
                struck += kill(self.scenario.line, prepared, rng.uniform(0, self.seconds))
                self._compare(prepared, [name for name in self.files if (prepared / name).exists()])
            finish(self.scenario.line, prepared)
            self._compare(prepared, self.files)
        finally:
            shutil.rmtree(prepared, ignore_errors=True)
        return struck

    def _compare(self, folder: Path, names: Sequence[str]) -> None:
        for name in names:
            try:
                found = meaning(folder / name)
            except (OSError, ValueError) as error:
                raise KillError(f"{name} is there and cannot be read: {error}") from error
            if found != self.wanted[name]:
                raise KillError(f"{name} differs from what an undisturbed run leaves")

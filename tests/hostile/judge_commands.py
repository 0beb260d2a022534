"""What the command must do with any command line and any files: what was asked, or one sentence and a non-zero exit."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner

from cli.main import app
from tests.hostile.command_lines import Workplace, command_line, reading_line
from tests.hostile.guard import Crash, seconds

LIMIT = 20.0
"""Seconds of a command that does no long work."""

ROOT = Path(__file__).parents[2]
RUN_FILES = ("config.json", "result.json", "model.safetensors", "last.ckpt")
BUILD_FILES = ("build.json", "engine.v", "network.s3net", "program.hex", "reference.npz")

CONFIG = b"""model: mlp
data: digits
method: s3
bits: 3
activation_bits: 8
first_last: true
seed: 1
recipe: default
settings: {epochs: 1, batch: 64, lr: 0.1, optimizer: sgd, weight_decay: 0.0001, latent_lr: 1.0, latent_std: 0.01,
  gate_offset: 2.0, root: false, regularizer: 0.001, exponent_lr: 0.01, freeze: 0.1, soft: 0.8, smoothing: 0.1,
  distillation: 0.0, temperature: 4.0, from_twin: false, rise: 0.2, precision: 32-true}
"""
"""A configuration with every field."""

_LONG_WORK = (
    "lightning.Trainer.fit", "sim.check.compile_simulation", "bitstreams.flow.Toolchain.run", "bitstreams.design.Top",
    "hw.systolic.search.search", "cli.demo._train_both",
)  # fmt: skip


class Started(BaseException):
    """Everything was accepted, and the long work would begin."""


class CommandJudge:
    """Judges command number ``index``.

    Parameters
    ----------
    long_work : bool
        Let the command begin what takes long; otherwise it counts as accepted there.
    """

    def __init__(self, *, long_work: bool = False) -> None:
        self.long_work = long_work
        self.home = Path(tempfile.mkdtemp(prefix="shiftforge-"))
        self.runner = CliRunner()
        try:
            self.workplace = Workplace(self.home / "work", self._sound_files())
        except BaseException:
            shutil.rmtree(self.home)
            raise

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _sound_files(self) -> dict[str, bytes]:
        """Make a run, an interrupted run, a network and a build by the command itself."""
        folder = self.home / "sound"
        folder.mkdir()
        steps = (
            ["train", "mlp", "--epochs", "1", "--out", "run", "--method", "s3"],
            ["train", "mlp", "--epochs", "1", "--out", "twin", "--method", "float"],
            ["export", "run", "--out", "net.s3net", "--samples", "4"],
            ["generate", "net.s3net", "--board", "hx8k_evn", "--out", "build"],
        )
        with contextlib.chdir(folder):
            for line in steps:
                result = self.runner.invoke(app, line)
                if result.exit_code:
                    raise RuntimeError(f"{line} failed: {result.output} {result.stderr} {result.exception!r}")
        files = {f"run/{name}": (folder / "run" / name).read_bytes() for name in RUN_FILES}
        files |= {f"twin/{name}": (folder / "twin" / name).read_bytes() for name in RUN_FILES}
        files["part/config.json"] = files["run/config.json"].replace(b'"epochs": 1', b'"epochs": 2')
        files["part/last.ckpt"] = files["run/last.ckpt"]
        files |= {f"build/{name}": (folder / "build" / name).read_bytes() for name in BUILD_FILES}
        # Nothing but a simulator reads the engine, and its bytes take long to mutate.
        files["build/engine.v"] = files["build/engine.v"][:2000]
        files |= {name: (folder / name).read_bytes() for name in ("net.s3net", "net.reference.npz")}
        files["config.yaml"] = CONFIG
        shutil.rmtree(folder)
        return files

    def line(self, index: int) -> tuple[list[str], dict[str, bytes]]:
        """Return command line number ``index`` and the files that are damaged for it."""
        rng = random.Random(index)
        if index % 2:
            return reading_line(rng, self.workplace)
        return command_line(rng), {}

    def __call__(self, index: int) -> str:
        """Return ``refused``, ``accepted`` or ``accepted, began``."""
        line, changed = self.line(index)
        self.workplace.make(changed)
        with self._surroundings(), seconds(LIMIT):
            try:
                result = self.runner.invoke(app, line)
            except Started:
                return "accepted, began"
        check(result.exit_code, result.exception, result.stderr)
        if list(self.workplace.folder.rglob("*unpickled*")):
            raise Crash(f"{line}: a pickle was read")
        left = [path.name for path in self.workplace.folder.rglob(".*.tmp")]
        if left:
            raise Crash(f"{line}: half-written files were left: {left}")
        return "accepted" if result.exit_code == 0 else "refused"

    @contextlib.contextmanager
    def _surroundings(self) -> Iterator[None]:
        """The workplace as the current folder, no network, and no long work."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(self.workplace.folder))
            stack.enter_context(mock.patch.dict(os.environ, {"SHIFTFORGE_DATA": "data"}))
            offline = urllib.error.URLError("no network")
            stack.enter_context(mock.patch("urllib.request.urlopen", side_effect=offline))
            stack.enter_context(mock.patch("hw.systolic.build.emit_verilog", return_value="// engine\n"))
            stack.enter_context(mock.patch("hw.bus.core_folder.emit_core", return_value="// core\n"))
            if not self.long_work:
                for name in _LONG_WORK:
                    stack.enter_context(mock.patch(name, side_effect=Started()))
            yield


def check(code: int, exception: BaseException | None, stderr: str) -> None:
    """Raise :class:`Crash` unless the command ended as it may."""
    if exception is not None and not isinstance(exception, SystemExit):
        raise exception
    if "Traceback" in stderr:
        raise Crash(f"a traceback was printed: {stderr[-300:]!r}")
    if code == 0:
        return
    lines = stderr.strip().splitlines()
    if code == 1 and not (len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) > 12):
        raise Crash(f"not one sentence: {stderr[:300]!r}")
    if code not in (1, 2) or not lines:
        raise Crash(f"exit code {code} with {stderr[:300]!r}")

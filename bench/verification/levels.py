"""Every level of the equality chain on the digits network of both boards, and ResNet-8's Verilog on CIFAR-10."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.verification.results import record
from bitstreams.boards import BOARDS
from cli.console import CACHE, data_folder
from hw.graph import Network, load
from hw.systolic.build import generate
from s3train.data import load_data
from s3train.reference import make_reference
from s3train.runs import export_run
from s3train.train import retrain
from sim.digests import build_digests
from sim.images import with_extremes
from sim.levels import LEVELS, Chain, Level, run_level

OUT = Path("build/verification")
EPOCHS = 3
"""Of the digits network whose PyTorch model is needed beside its file; its accuracy does not matter here."""
REAL = 20


def trained_digits() -> tuple[Network, np.ndarray, dict[str, np.ndarray]]:
    """Return the digits CNN after a few epochs, test images, and what PyTorch's integer reference stores for them."""
    run = OUT / "digits-run"
    retrain("small_resnet", "digits", out=run, data_folder=data_folder(), epochs=EPOCHS, progress=False)
    network, model, data = export_run(run, data_folder())
    reference = make_reference(model, network, data, REAL)
    return network, reference.images, reference.stored


def measure(console: Console) -> list[dict[str, Any]]:
    """Run the levels; a level that cannot be run here is left out of the result, and said."""
    network, real, stored = trained_digits()
    resnet8 = load("examples/resnet8.s3net")
    cifar, _ = load_data("cifar10", data_folder()).test(0, 10)
    jobs = (
        (network, "icebreaker", real, stored, list(LEVELS)),
        (resnet8, "icebreaker", cifar.numpy(), None, ["verilog"]),
        (network, "ulx3s_85f", real, stored, list(LEVELS)),
    )
    results: list[dict[str, Any]] = []
    for job in jobs:
        results += [_figures(level) for level in _levels(console, *job)]
        # What is finished is kept, should the rest be interrupted.
        record("levels", results)
    return results


def _levels(
    console: Console,
    network: Network,
    board: str,
    real: np.ndarray,
    stored: dict[str, np.ndarray] | None,
    names: list[str],
) -> list[Level]:
    build = generate(network, board, BOARDS[board].device, OUT / f"{network.name}-{board}")
    images = with_extremes(network.tensor(network.input), real)
    chain = Chain(build, images, network.run(images), real, stored, CACHE)
    results = []
    for name in names:
        level = _remembered(chain, name)
        counted = f"{level.differences} differences in {level.values:,} values" if level.ran else "not run"
        console.print(f"{board}, {network.name}, {name}: {counted}; {level.note}", highlight=False)
        if level.ran:
            results.append(level)
    return results


def _remembered(chain: Chain, name: str) -> Level:
    """Run a level, or return its result of the same sources, network and images: the bench goes on where it stopped."""
    parts = [json.dumps(build_digests(chain.build)), chain.images.tobytes().hex(), chain.real.tobytes().hex(), name]
    file = OUT / f"level-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.json"
    if file.exists():
        return Level(**json.loads(file.read_text()))
    level = run_level(chain, name)
    if level.ok:
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(level.to_json(), indent=2) + "\n")
        os.replace(temporary, file)
    return level


def _figures(level: Level) -> dict[str, Any]:
    if not level.ok:
        raise RuntimeError(f"level {level.level} on {level.board}: {level.first_difference or 'nothing was compared'}")
    names = ("level", "network", "board", "tools", "images", "values", "differences", "note")
    return {name: getattr(level, name) for name in names}

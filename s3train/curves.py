"""How a training went: what its log says, epoch by epoch, for those who only see the network."""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from hw.graph import Network, digest
from hw.whole_file import write_whole
from s3train.runs import RunError, read_config, read_result

FORMAT = 1
"""Version of ``training.json``."""

_CURVES = ("loss", "accuracy", "zeros", "sign_flips")


def training_record(folder: Path, network: Network) -> dict[str, Any]:
    """Return what a finished run says of the network that was exported from it, as JSON types.

    ``network`` is the network's digest; ``epochs`` has for every epoch the mean of the loss and the last value of what
    is measured once an epoch or less often: accuracy on test images, shares of zeros and of flipped signs.

    Raises
    ------
    RunError
        If there is no finished run in the folder, or it is damaged.
    """
    config, result = read_config(folder), read_result(folder)
    return {
        "format": FORMAT,
        "network": digest(network),
        "model": config.model,
        "data": config.data,
        "method": config.method,
        "bits": config.bits,
        "activation_bits": config.activation_bits,
        "seed": config.seed,
        "accuracy": result.accuracy,
        "integer_accuracy": result.integer_accuracy,
        "epochs": read_epochs(log_of(folder)),
    }


def log_of(folder: Path) -> Path:
    """Return the log of a run's last sitting; those of earlier ones lie beside it, see :func:`begin_sitting`."""
    return folder / "logs" / "csv" / "metrics.csv"


def begin_sitting(folder: Path) -> None:
    """Put the log of a sitting before this one aside, as ``metrics-1.csv`` and so on: Lightning begins a new one."""
    log = log_of(folder)
    if log.exists():
        content = log.read_bytes()
        # A killed training may have left a part of its last row.
        whole = content[: content.rfind(b"\n") + 1]
        write_whole(log.with_name(f"metrics-{len(_earlier(log)) + 1}.csv"), whole)
        log.unlink()


def _earlier(log: Path) -> list[Path]:
    numbers = itertools.count(1)
    return list(itertools.takewhile(Path.exists, (log.with_name(f"metrics-{n}.csv") for n in numbers)))


def _rows(log: Path) -> list[dict[str, str]]:
    """Return the rows of all sittings; what a later one repeated, from its checkpoint on, counts once."""
    rows: list[dict[str, str]] = []
    for part in (*_earlier(log), log):
        if not part.exists():
            continue
        try:
            with part.open(newline="") as file:
                found = list(csv.DictReader(file))
            begin = min((int(row["step"]) for row in found), default=math.inf)
            rows = [row for row in rows if int(row["step"]) < begin] + found
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{part}: the run's log is damaged ({error})") from error
    return rows


def read_epochs(log: Path) -> list[dict[str, Any]]:
    """Return the curves of a run's log and those of earlier sittings, one row an epoch; empty if all were deleted."""
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        for line in _rows(log):
            row = found[int(line["epoch"])]
            for name in _CURVES:
                if line.get(name):
                    row[name].append(float(line[name]))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{log}: the run's log is damaged ({error})") from error
    rows = []
    for epoch, curves in sorted(found.items()):
        values = {name: curves[name][-1] for name in _CURVES if curves.get(name)}
        if "loss" in values:
            values["loss"] = math.fsum(curves["loss"]) / len(curves["loss"])
        rows.append({"epoch": epoch, **{name: round(value, 6) for name, value in values.items()}})
    return rows

"""How a training went: what its log says, epoch by epoch, for those who only see the network."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from hw.graph import Network, digest
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
        "epochs": read_epochs(folder / "logs" / "csv" / "metrics.csv"),
    }


def read_epochs(log: Path) -> list[dict[str, Any]]:
    """Return the curves of a run's log, one row an epoch; empty if the log was deleted."""
    if not log.exists():
        return []
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        with log.open(newline="") as file:
            for line in csv.DictReader(file):
                row = found[int(line["epoch"])]
                for name in _CURVES:
                    if line.get(name):
                        row[name].append(float(line[name]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{log}: the run's log is damaged ({error})") from error
    rows = []
    for epoch, curves in sorted(found.items()):
        values = {name: curves[name][-1] for name in _CURVES if curves.get(name)}
        if "loss" in values:
            values["loss"] = math.fsum(curves["loss"]) / len(curves["loss"])
        rows.append({"epoch": epoch, **{name: round(value, 6) for name, value in values.items()}})
    return rows

"""Accuracy of every weight method beside its float twin; ``make bench-training``.

Takes hours, so it can be stopped and called again: finished runs stay in ``runs/training`` and are not repeated,
interrupted ones go on from their last epoch. Every finished run is a row of ``bench/results/training.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.console import data_folder

RESULTS = Path("bench/results/training.json")
RUNS = Path("runs/training")
NEIGHBOUR_EPOCHS = 10
NEIGHBOUR_RECIPE = "default"
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {},
    "random": {},
    "no distillation": {"distillation": 0.0},
    "free latents": {"tied": False},
    "learned spread": {"learned_spread": True},
}
"""Recipes by the name in a row: what differs from the default."""


@dataclass(frozen=True)
class Job:
    """A run of the bench; the fields are those of a result row."""

    model: str
    data: str
    method: str
    bits: int
    activation_bits: int
    epochs: int
    seed: int
    recipe: str = "default"

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        weights = self.method if self.method == "float" else f"{self.method}{self.bits}"
        suffix = "" if self.recipe == "default" else f"-{self.recipe.replace(' ', '-')}"
        return f"{self.model}-{self.data}-{weights}-a{self.activation_bits}-e{self.epochs}-s{self.seed}{suffix}"

    @property
    def twin(self) -> Job:
        """The float run of the same network, data, length and seed."""
        return Job(self.model, self.data, "float", 32, 32, self.epochs, self.seed)


def jobs() -> Iterator[Job]:
    """Yield the runs, the most telling first; a float twin comes before whatever it teaches."""

    def runs(model: str, data: str, epochs: int, seed: int, *methods: tuple[str, int, int]) -> Iterator[Job]:
        for method, bits, activation_bits in methods:
            yield Job(model, data, method, bits, activation_bits, epochs, seed)

    def other(recipe: str, activation_bits: int, seed: int = 0) -> Job:
        return Job("resnet8", "cifar10", "s3", 3, activation_bits, 30, seed, recipe)

    real = ("float", 32, 32)
    yield from runs("resnet8", "cifar10", 30, 0, real, ("s3", 3, 32), ("s3", 3, 8), ("s3", 3, 4))
    yield from (other("free latents", activation_bits) for activation_bits in (32, 8, 4))
    yield other("learned spread", 32, seed=1)
    yield from runs("addressnet_small", "cifar10", 30, 0, real, ("s3", 3, 8))
    yield Job("resnet8", "cifar10", "s3", 3, 32, 30, 0, "random")
    yield from runs("resnet8", "cifar10", 30, 0, ("denseshift", 3, 32), ("apot", 3, 32))
    yield from runs("resnet20", "cifar10", 30, 0, real, ("s3", 3, 32))
    yield from runs("lenet5", "mnist", 15, 0, real, ("s3", 3, 8), ("s3", 2, 8))
    yield from runs("small_resnet", "fashion", 20, 0, real, ("s3", 3, 8))
    yield Job("small_resnet", "fashion", "s3", 3, 8, 20, 0, "free latents")
    for seed in (1, 2):
        yield from runs("resnet8", "cifar10", 30, seed, real, ("s3", 3, 32), ("s3", 3, 8), ("s3", 3, 4))
        yield from runs("resnet8", "cifar10", 30, seed, ("denseshift", 3, 32), ("apot", 3, 32))
    rivals = [(method, 3, 32) for method in ("deepshift_q", "deepshift_ps", "denseshift", "apot")]
    yield from runs("resnet20", "cifar10", 30, 0, *rivals)
    yield Job("resnet8", "cifar10", "s3", 3, 32, 30, 0, "paper")
    yield from runs("resnet8", "cifar10", 30, 0, ("s3", 2, 32), ("s3", 4, 32), ("s3", 5, 32))
    yield from runs("resnet8", "cifar10", 100, 0, real, ("s3", 3, 8))
    yield from neighbours()


def neighbours() -> Iterator[Job]:
    """Yield the short runs that compare networks with one another (``bench/neighbours.py``)."""

    def twin(model: str, seed: int) -> Job:
        return Job(model, "cifar10", "float", 32, 32, NEIGHBOUR_EPOCHS, seed)

    def shifts(model: str, seed: int) -> Job:
        return Job(model, "cifar10", "s3", 3, 8, NEIGHBOUR_EPOCHS, seed, NEIGHBOUR_RECIPE)

    for model in ("resnet8", "addressnet_small", "resnet8_strided", "resnet8_aps", "invariant_addressnet"):
        yield from (twin(model, 0), shifts(model, 0))
    for model in ("resnet8", "resnet8_strided", "resnet8_aps"):
        yield Job(model, "cifar10", "s3", 3, 8, NEIGHBOUR_EPOCHS, 0, "free latents")
    # Attention: squeeze-and-excitation multiplies, so it has no shift form.
    for seed in range(3):
        yield from (twin(model, seed) for model in ("resnet8_sb", "resnet8_se"))
        if seed:
            yield twin("resnet8", seed)
        else:
            yield shifts("resnet8_sb", seed)
    for seed in (1, 2):
        for model in ("resnet8_aps", "resnet8_strided"):
            yield from (twin(model, seed), shifts(model, seed))
        yield from (shifts(model, seed) for model in ("resnet8", "resnet8_sb"))


def run(job: Job) -> None:
    """Train one run in this process; a folder whose run had other settings is cleared."""
    from s3train.recipe import RECIPE_NAMES, choose_recipe
    from s3train.train import retrain

    name = job.recipe if job.recipe in RECIPE_NAMES else "default"
    recipe = choose_recipe(job.data, job.method, name, epochs=job.epochs, **CHANGES[job.recipe])
    twin = RUNS / job.twin.name if job.method != "float" else None
    teacher = twin if recipe.distillation else None
    start = twin if recipe.from_twin else None
    retrain(
        job.model, job.data, out=RUNS / job.name, data_folder=data_folder(), method=job.method, bits=job.bits,
        activation_bits=job.activation_bits, seed=job.seed, teacher=teacher, start=start, progress=False, recipe=recipe,
    )  # fmt: skip


def append(job: Job) -> None:
    """Add the row of a finished run to the results."""
    result = json.loads((RUNS / job.name / "result.json").read_text())
    integer = result["integer_accuracy"]
    measured = {
        "first_last": job.method != "float",
        "accuracy": result["accuracy"] if integer is None else integer,
        "zeros": result["zeros"],
        "sign_flips": result["sign_flips"],
        "differing_logits": result.get("differing_logits"),
        "seconds": round(result["seconds"]),
    }
    rows = [row for row in _rows() if _name(row) != job.name]
    rows.append({**asdict(job), **measured})
    RESULTS.parent.mkdir(exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
    os.replace(temporary, RESULTS)


def _rows() -> list[dict[str, object]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def _name(row: dict[str, object]) -> str:
    return Job(**{key: row[key] for key in Job.__dataclass_fields__ if key in row}).name  # type: ignore[arg-type]


def work(waiting: list[Job], workers: int, console: Console) -> None:
    """Run jobs as processes side by side; a job waits for its float twin."""
    running: dict[str, tuple[Job, subprocess.Popen[bytes]]] = {}
    done = {_name(row) for row in _rows()}
    waiting = [job for job in waiting if job.name not in done]
    # A twin whose row is there but whose network is not (a fresh clone) is trained again for those it teaches.
    twins = dict.fromkeys(job.twin for job in waiting if job.method != "float")
    lost = [twin for twin in twins if twin not in waiting and not (RUNS / twin.name / "result.json").exists()]
    waiting = lost + waiting
    done -= {twin.name for twin in lost}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        while waiting or running:
            for name, (job, process) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                if process.returncode:
                    console.print(f"[red]{name} failed[/red]")
                    waiting = [w for w in waiting if w.twin != job]
                else:
                    append(job)
                    done.add(name)
                    console.print(f"{name} done")
            ready = [j for j in waiting if j.method == "float" or j.twin.name in done or j.twin not in waiting]
            ready = [j for j in ready if j.twin.name not in running]
            while ready and len(running) < workers:
                job = ready.pop(0)
                waiting.remove(job)
                command = [sys.executable, "-m", "bench.training", "--run", job.name]
                running[job.name] = (job, subprocess.Popen(command, env=environment))
                console.print(f"{job.name} started")
            time.sleep(2)
    finally:
        for _, process in running.values():
            process.terminate()


def table(console: Console) -> None:
    """Print mean and spread over the seeds of every kind of run, beside its float twin."""
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in _rows():
        key = tuple(row[k] for k in ("model", "data", "epochs", "method", "bits", "activation_bits", "recipe"))
        groups.setdefault(key, []).append(row)
    view = Table(
        "model", "data", "epochs", "method", "bits", "act.", "seeds", "accuracy %", "to float", "zeros", "flips"
    )
    for key, rows in groups.items():
        values = [100 * float(row["accuracy"]) for row in rows]  # type: ignore[arg-type]
        twins = groups.get((*key[:3], "float", 32, 32, "default"), [])
        same = {row["seed"]: 100 * float(row["accuracy"]) for row in twins}  # type: ignore[arg-type]
        gaps = [v - same[row["seed"]] for v, row in zip(values, rows, strict=True) if row["seed"] in same]
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        method = str(key[3]) if key[6] == "default" else f"{key[3]} ({key[6]})"
        view.add_row(
            str(key[0]), str(key[1]), str(key[2]), method, str(key[4]), str(key[5]), str(len(rows)),
            f"{statistics.mean(values):.2f}{spread}", f"{statistics.mean(gaps):+.2f}" if gaps else "",
            *(f"{float(rows[0][k]):.1%}" if rows[0][k] is not None else "" for k in ("zeros", "sign_flips")),  # type: ignore[arg-type]
        )  # fmt: skip
    console.print(view)
    console.print(
        "accuracies are of all test images; the rows that come with the project are of a JPEG copy of CIFAR-10"
    )


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, one thread each")
    parser.add_argument("--only", default="", help="only runs whose name contains this")
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = [job for job in jobs() if arguments.only in job.name]
    if arguments.run:
        run(next(job for job in jobs() if job.name == arguments.run))
        return
    console = Console(width=140)
    if not arguments.table:
        work(chosen, arguments.workers, console)
    table(console)


if __name__ == "__main__":
    main()

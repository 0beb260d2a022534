"""The two failures that S3 mends, as a page of pictures; ``make bench-mechanism``.

*Sign freezing*: share of weights whose sign has changed since the start, step by step. *Start*: accuracy after a short
run over the initial spread of the parameters, four decades of it. ResNet-8 on CIFAR-10, one epoch each, every method
with its default recipe; a method's parameters are multiplied by the spread factor before the first step.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

import lightning
import matplotlib
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cli.console import data_folder
from s3train.data import ImageData, load_data
from s3train.data.batches import training_loader
from s3train.evaluation import accuracy
from s3train.lightning_module import TrainingModule
from s3train.logits_scale import logits_scale
from s3train.recipe import choose_recipe
from s3train.reparam import weight_methods
from s3train.runs import RunConfig, build

METHODS = ("float", "s3", "denseshift", "deepshift_q", "deepshift_ps")
FACTORS = (0.01, 0.1, 1.0, 10.0)
RESULTS = Path("bench/results/mechanism.json")
PICTURE = Path("docs/pictures/mechanism.png")


class Flips(lightning.Callback):
    """Keeps the share of changed signs every few steps."""

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self.shares: list[tuple[int, float]] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *arguments: Any) -> None:
        """Look at the signs."""
        if trainer.global_step % self.every == 0:
            self.shares.append((trainer.global_step, module.watch.summary(module.model)["sign_flips"]))


def one_run(method: str, factor: float, steps: int, data: ImageData) -> dict[str, Any]:
    """Train and return accuracy and the course of the sign flips."""
    recipe = choose_recipe("cifar10", method, "random", epochs=1)
    lightning.seed_everything(0, verbose=False)
    bits = 32 if method == "float" else 3
    model = build(RunConfig("resnet8", "cifar10", method, bits, 32, True, 0, None, None, recipe), data)
    with torch.no_grad():
        for _, _, _, parameters in weight_methods(model):
            parameters.mul_(factor)
        if method == "float":
            for parameter in (p for p in model.parameters() if p.ndim > 1):
                parameter.mul_(factor)
    loader = training_loader(data, recipe.batch, 0)
    scale = logits_scale(model, None, lambda: next(iter(loader))[0])
    module = TrainingModule(model, recipe, data.classes, logits_scale=scale)
    # A float network has no signs of its own to watch.
    flips = Flips()
    callbacks: list[lightning.Callback] = [] if method == "float" else [flips]
    trainer = lightning.Trainer(
        max_steps=steps, max_epochs=-1, accelerator="cpu", precision="bf16-mixed", callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(module, loader)
    return {"method": method, "factor": factor, "accuracy": accuracy(model, data), "flips": flips.shares}


def draw(rows: list[dict[str, Any]]) -> None:
    """Draw both pictures."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for method in METHODS:
        mine = [row for row in rows if row["method"] == method]
        course = next(row["flips"] for row in mine if row["factor"] == 1.0)
        # The same colour in both.
        colour = f"C{METHODS.index(method)}"
        if method != "float":
            left.plot([s for s, _ in course], [100 * f for _, f in course], colour, label=method)
        right.plot(
            [row["factor"] for row in mine], [100 * row["accuracy"] for row in mine], colour, marker="o", label=method
        )
    left.set(xlabel="step", ylabel="signs changed since the start, %", title="sign freezing")
    right.set(xscale="log", xlabel="initial spread over the default", ylabel="test accuracy, %", title="start")
    left.legend()
    right.legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


def main() -> None:
    """Train what is missing, print a table, draw the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=390)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    done = {(row["method"], row["factor"]) for row in rows}
    waiting = [(m, f) for m in METHODS for f in FACTORS if (m, f) not in done]
    data = load_data("cifar10", data_folder()) if waiting else None
    for method, factor in track(waiting, "runs"):
        assert data is not None
        rows.append(one_run(method, factor, arguments.steps, data))
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
        os.replace(temporary, RESULTS)
    table = Table("method", *(f"accuracy % at spread x {f}" for f in FACTORS), "signs flipped, x 1")
    for method in METHODS:
        mine = {row["factor"]: row for row in rows if row["method"] == method}
        flips = f"{mine[1.0]['flips'][-1][1]:.1%}" if method != "float" else ""
        table.add_row(method, *(f"{100 * mine[f]['accuracy']:.1f}" for f in FACTORS), flips)
    Console().print(table)
    draw(rows)
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()

"""Time and peak memory of a training step with shift weights against a float one; ``make bench-training-cost``.

ResNet-20, batch 128, float32, one thread. Steps of the float network and of a variant alternate, and the median of
the ratios counts: it does not depend on what else the machine does. Memory is the peak of a process of its own over
what it had before the first step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from s3train.convert import convert_weights
from s3train.models import build_model
from s3train.reparam import S3
from s3train.reparam.straight_through import straight_through

RESULTS = Path("bench/results/training_cost.json")
LAYERS = ("float", "s3_composed", "s3_fused", "denseshift_fused")


def _step_function(value: Tensor) -> Tensor:
    return straight_through(value, (value > 0).to(value.dtype))


class ComposedS3(nn.Module):
    """S3 as autograd composes it from its definition, one separate latent tensor after the other."""

    def forward(self, *latents: Tensor) -> Tensor:
        """Return the weights."""
        sign = straight_through(latents[0], torch.where(latents[0] >= 0, 1.0, -1.0))
        run = torch.zeros_like(sign)
        for latent in latents[2:]:
            run = _step_function(latent) * (run + 1)
        return sign * _step_function(latents[1]) * torch.exp2(run)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Return random latents."""
        return tuple(torch.randn_like(weight) * 0.01 for _ in range(2 + S3(3).shifts))


class Step:
    """A network and its training step."""

    def __init__(self, layer: str, batch: int) -> None:
        torch.manual_seed(0)
        model = build_model("resnet20", (3, 32, 32), 10)
        if layer == "s3_composed":
            for module in list(model.modules()):
                if isinstance(module, nn.Conv2d | nn.Linear):
                    parametrize.register_parametrization(module, "weight", ComposedS3())
        elif layer != "float":
            model = convert_weights(model, layer.removesuffix("_fused"), 3)
        self.model = model.train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
        self.images = torch.randn(batch, 3, 32, 32)
        self.labels = torch.randint(0, 10, (batch,))

    def __call__(self) -> float:
        """Do one step and return its seconds."""
        begin = time.perf_counter()
        with parametrize.cached():
            logits = self.model(self.images)
        loss = functional.cross_entropy(logits * 0.05, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - begin


def peak_memory(layer: str, batch: int) -> int:
    """Return the bytes by which three steps raise this process's peak."""
    step = Step(layer, batch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def main() -> None:
    """Measure, print a table, write ``bench/results/training_cost.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--memory", choices=LAYERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        print(peak_memory(arguments.memory, arguments.batch))
        return
    memory = {}
    # Large blocks go back to the system when they are freed, so that the peak is what is alive at once.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
    for layer in LAYERS:
        command = [sys.executable, "-m", "bench.training_cost", "--memory", layer, "--batch", str(arguments.batch)]
        memory[layer] = int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    steps = {layer: Step(layer, arguments.batch) for layer in LAYERS}
    for step in steps.values():
        step()
    ratios: dict[str, list[float]] = {layer: [] for layer in LAYERS}
    seconds = []
    for _ in track(range(arguments.pairs), "steps in pairs", transient=True):
        for layer in LAYERS:
            base = steps["float"]()
            seconds.append(base)
            ratios[layer].append(steps[layer]() / base)
    rows: list[dict[str, Any]] = []
    table = Table("layer", "step / float (median)", "quartiles", "peak memory / float")
    for layer in LAYERS:
        low, middle, high = statistics.quantiles(ratios[layer], n=4)
        share = memory[layer] / memory["float"]
        rows.append(
            {
                "layer": layer,
                "step_seconds_ratio_to_float": round(middle, 3),
                "peak_memory_ratio_to_float": round(share, 3),
            }
        )
        table.add_row(layer, f"{middle:.3f}", f"{low:.3f} … {high:.3f}", f"{share:.3f}")
    console = Console()
    console.print(table)
    console.print(
        f"ResNet-20, batch {arguments.batch}, one thread, {arguments.pairs} pairs; a float step took "
        f"{statistics.median(seconds):.2f} s and {memory['float'] / 2**20:.0f} MiB here"
    )
    RESULTS.parent.mkdir(exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
    os.replace(temporary, RESULTS)


if __name__ == "__main__":
    main()

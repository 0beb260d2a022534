"""Accuracy over seeds, integer network beside its float twin; ``make bench-accuracy``."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from cli.console import data_folder
from s3train.train import retrain


def main() -> None:
    """Train, print a table, write ``bench/results/accuracy-<data>.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--model", default="small_resnet")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.seeds):
        row: dict[str, float | int | None] = {"seed": seed}
        for method in ("float", "s3"):
            folder = Path("runs/accuracy") / f"{arguments.model}-{arguments.data}-{method}-{seed}"
            result = retrain(
                arguments.model, arguments.data, out=folder, data_folder=data_folder(), method=method, seed=seed
            )
            row[method] = result.accuracy
            if method == "s3":
                row["integer"] = result.integer_accuracy
        rows.append(row)
        print(f"seed {seed}: float {row['float']:.2%}, fake-quantised {row['s3']:.2%}, integer {row['integer']:.2%}")
    mean = {key: statistics.mean(float(row[key] or 0) for row in rows) for key in ("float", "s3", "integer")}
    print(f"mean of {len(rows)}: float {mean['float']:.2%}, integer {mean['integer']:.2%}")
    out = Path("bench/results")
    out.mkdir(exist_ok=True)
    content = {
        "data": arguments.data,
        "model": arguments.model,
        "bits": 3,
        "activation_bits": 8,
        "rows": rows,
        "mean": mean,
    }
    (out / f"accuracy-{arguments.data}.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""``shiftforge export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, answer, begin_answer, console, data_folder, fails_clearly


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="the .s3net file")] = None,
    samples: Annotated[int, typer.Option(min=1, help="test images kept for simulation")] = 200,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as integers; beside it the integer reference of some test images, and how it was trained.

    Example: shiftforge export runs/digits --out digits.s3net
    """
    begin_answer(as_json)
    from hw.graph import save
    from hw.whole_file import write_whole
    from s3train.curves import training_record
    from s3train.reference import make_reference, save_reference
    from s3train.runs import export_run

    network, model, data = export_run(folder, data_folder())
    target = out or Path(f"{folder}.s3net")
    reference = make_reference(model, network, data, samples)
    beside, training = target.with_suffix(".reference.npz"), target.with_suffix(".training.json")
    record = training_record(folder, network)
    # At no time a reference of another network lies beside this one.
    beside.unlink(missing_ok=True)
    training.unlink(missing_ok=True)
    save(network, target)
    save_reference(reference, beside)
    write_whole(training, json.dumps(record) + "\n")
    console.print(f"{target}: {len(network.nodes)} operations, {len(reference.images)} test images beside it")
    console.print(f"next: shiftforge check {target} --board icebreaker")
    answer(as_json, network=target, operations=len(network.nodes), reference=beside, images=len(reference.images))

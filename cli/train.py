"""``shiftforge train``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import AsJson, answer, begin_answer, console, data_folder, fails_clearly


@fails_clearly
def run(
    model: Annotated[
        str | None, typer.Argument(help="such as mlp, small_resnet, resnet8; a wrong name lists all")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="digits (default), mnist, fashion, cifar10, cifar100, imagenet")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="s3 (default), s3_tied, denseshift, deepshift_q, deepshift_ps, apot, uniform, or float"),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="bits of a weight, 3 unless said")] = None,
    activation_bits: Annotated[int | None, typer.Option(help="bits of an activation, 2 to 8 (default), or 32")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="default, random (random start, no teacher), or paper (S3's published settings)")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="instead of the recipe's")] = None,
    seed: Annotated[int | None, typer.Option(help="of initial values, order and augmentation, 0 unless said")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="folder of a finished run to distil; by default the float twin is trained first")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="folder of a finished float run to start from, by default the twin too")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with any of the above, out, first_last and settings; options here win"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder of the run; by default in runs, with a name made of the settings")
    ] = None,
    resume: Annotated[bool, typer.Option(help="refuse to begin: an interrupted run must be there")] = False,
    overwrite: Annotated[
        bool,
        typer.Option(help="delete the run in the folder and start anew; otherwise one of other settings is refused"),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network with shift weights. A finished run is not repeated, an interrupted one goes on.

    A folder with a run of other settings is refused; --overwrite starts anew there.

    Example: shiftforge train resnet8 --data cifar10 --bits 3
    """
    from s3train.processes import process_share

    first = process_share()[0] == 0
    # Of several processes one speaks.
    begin_answer(as_json or not first)
    from s3train.config_file import read_config_file
    from s3train.recipe import choose_recipe
    from s3train.reparam import make_method
    from s3train.run_config import run_name
    from s3train.runs import CHECKPOINT, RunError
    from s3train.train import train

    options, settings = read_config_file(config) if config is not None else ({}, {})
    given: dict[str, Any] = {
        "model": model, "data": data, "method": method, "bits": bits, "activation_bits": activation_bits,
        "recipe": recipe, "seed": seed, "teacher": teacher, "start": start, "out": out,
    }  # fmt: skip
    options |= {key: value for key, value in given.items() if value is not None}
    if epochs is not None:
        settings["epochs"] = epochs
    if "model" not in options:
        raise ValueError("say which model to train, for example: shiftforge train small_resnet --data digits")
    name, data_name = options.pop("model"), options.pop("data", "digits")
    method_name = options.setdefault("method", "s3")
    recipe_name = options.pop("recipe", "default")
    if options.get("start"):
        if recipe_name != "default":
            raise ValueError(f"recipe {recipe_name} begins with random weights; leave it out, or the start")
        settings.setdefault("from_twin", True)
    chosen = choose_recipe(data_name, method_name, recipe_name, **settings)
    for key in ("teacher", "start"):
        options[key] = Path(options[key]) if options.get(key) else None
    bits, activation_bits, seed = options.get("bits", 3), options.get("activation_bits", 8), options.get("seed", 0)
    usual = Path("runs") / run_name(
        name, data_name, method_name, bits, activation_bits, seed, chosen.epochs, recipe_name
    )
    folder = Path(options.pop("out", usual))
    if resume and overwrite:
        raise ValueError("--resume goes on with a run and --overwrite deletes it, choose one of them")
    if resume and not (folder / CHECKPOINT).exists():
        raise RunError(f"{folder}: no interrupted run here to go on with ({CHECKPOINT} is missing)")
    options |= {"data_folder": data_folder(), "recipe": chosen, "progress": not as_json, "overwrite": overwrite}
    try:
        result = train(name, data_name, out=folder, **options)
    except KeyboardInterrupt:
        if overwrite:
            console.print("to go on later, leave out --overwrite")
        raise
    integer = ""
    if result.integer_accuracy is not None:
        integer = f", integer network {result.integer_accuracy:.2%} ({result.differing_logits} logits differ)"
    console.print(f"test accuracy {result.accuracy:.2%}{integer}; the run is in {folder}")
    if result.integer_accuracy is not None and make_method(method_name, bits).alphabet is not None:
        console.print(f"next: shiftforge export {folder}")
    answer(as_json and first, **asdict(result))

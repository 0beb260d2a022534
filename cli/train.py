"""``shiftforge train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import console, data_folder, fails_clearly


@fails_clearly
def run(
    model: Annotated[str, typer.Argument(help="mlp or small_resnet")],
    data: Annotated[str, typer.Option(help="digits or mnist")] = "digits",
    bits: Annotated[int, typer.Option(help="bits of a weight, 2 to 5")] = 3,
    activation_bits: Annotated[int, typer.Option(help="bits of an activation, 2 to 8")] = 8,
    method: Annotated[str, typer.Option(help="s3, or float for the float twin")] = "s3",
    epochs: Annotated[int | None, typer.Option(help="instead of the recipe's")] = None,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="folder of the run")] = None,
) -> None:
    """Train a network with shift weights. A finished run is not repeated, an interrupted one goes on."""
    from s3train.train import train

    folder = out or Path("runs") / f"{model}-{data}-{method}{bits if method != 'float' else ''}"
    result = train(
        model, data, out=folder, data_folder=data_folder(), method=method, bits=bits,
        activation_bits=activation_bits, epochs=epochs, seed=seed,
    )  # fmt: skip
    integer = "" if result.integer_accuracy is None else f", integer network {result.integer_accuracy:.2%}"
    console.print(f"test accuracy {result.accuracy:.2%}{integer}; the run is in {folder}")
    if method != "float":
        console.print(f"next: shiftforge export {folder}")

"""``shiftforge profile``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cli.console import AsJson, answer, begin_answer, console, fails_clearly
from cli.images import read_images, test_images


@fails_clearly
def run(
    network: Annotated[Path, typer.Argument(help="a .s3net file")],
    data: Annotated[str, typer.Option(help="data set whose test images are taken")] = "cifar10",
    samples: Annotated[int, typer.Option(min=1, help="number of images")] = 200,
    images: Annotated[
        list[str] | None,
        typer.Option(help="your own: .npy of uint8 (n, channels, height, width), or a picture"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what real images make of a network's bits: ranges, clipping, dead channels, weights.

    Example: shiftforge profile examples/resnet8.s3net --data cifar10 --samples 200
    """
    begin_answer(as_json)
    from hw.graph import load
    from planner.profile import profile

    graph = load(network)
    stored = read_images(graph, images, samples)[0] if images else test_images(graph, data, samples)[0]
    with console.status(f"running {len(stored)} images"):
        result = profile(graph, stored[:samples])
    answer(as_json, **result.to_json())
    source = ", ".join(images) if images else f"{data}'s test set"
    console.print(f"{result.network} on {result.images} images of {source}; values in real numbers:")
    tensors = Table(box=box.SIMPLE_HEAD)
    for column in ("tensor", "bits", "used", "range", "of", "zeros", "clipped", "dead"):
        tensors.add_column(column, justify="left" if column == "tensor" else "right", overflow="fold")
    for t in result.tensors:
        tensors.add_row(
            t.tensor.removesuffix(".out"), str(t.bits), str(t.used_bits), f"{t.low:.3g} .. {t.high:.3g}",
            f"{t.range_low:.3g} .. {t.range_high:.3g}", f"{t.zeros:.0%}", f"{t.clipped:.2%}", f"{t.dead}/{t.channels}",
        )  # fmt: skip
    console.print(tensors)
    weights = Table(box=box.SIMPLE_HEAD)
    for column in ("layer", "alphabet", "weights", "zeros", "share of each magnitude"):
        weights.add_column(column, justify="right" if column in ("weights", "zeros") else "left", overflow="fold")
    for w in result.weights:
        sizes: dict[int, int] = {}
        for value, count in w.histogram.items():
            sizes[abs(value)] = sizes.get(abs(value), 0) + count
        shares = ", ".join(f"{size}: {count / w.count:.0%}" for size, count in sorted(sizes.items()) if size)
        weights.add_row(w.layer, w.alphabet, f"{w.count:,}", f"{w.zeros:.0%}", shares)
    console.print(weights)
    for warning in result.warnings:
        console.print(warning, soft_wrap=True)
    if not result.warnings:
        console.print("nothing to warn of: all bits are used, hardly anything is clipped, no channel is dead")

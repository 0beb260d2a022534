"""``shiftforge run``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import console, fails_clearly
from cli.images import read_images

PROGRESS_FROM = 200
"""Images from which on progress is shown."""


@fails_clearly
def run(
    images: Annotated[
        list[str] | None, typer.Argument(help="pictures, .npy files of stored numbers, or the name of a data set")
    ] = None,
    port: Annotated[str, typer.Option(help="/dev/ttyUSB1, an URL of pyserial, ftdi://… or spi:PATH")] = "",
    network: Annotated[Path | None, typer.Option(help="a .s3net file, which is loaded first")] = None,
    baud: Annotated[int | None, typer.Option(min=1, help="of a serial port; by default 3 and 1 Mbaud")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="seconds of silence after which a frame counts as lost")
    ] = 2.0,
    samples: Annotated[int, typer.Option(min=1, help="test images of a data set")] = 100,
    self_test: Annotated[bool, typer.Option("--self-test", help="run a small random network first")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON object instead of text")] = False,
) -> None:
    """Classify images on a board.

    Example: shiftforge run --port /dev/ttyUSB1 --network examples/digits.s3net digits --samples 20
    """
    if not port:
        raise ValueError("say where the board is, for example: shiftforge run --port /dev/ttyUSB1")
    if images and network is None:
        raise ValueError("say which network to load, for example: --network examples/digits.s3net")
    from hw.graph import load

    graph = load(network) if network is not None else None
    pictures, names, labels = (None, [], None) if graph is None else read_images(graph, images or [], samples)
    from host.connect import connect

    with connect(port, baud=baud, timeout=timeout) as device:
        about = device.identity.description
        found: dict[str, Any] = {"board": about.board, "link": about.link, "baud": about.baud}
        if self_test:
            found["self_test_logits_equal"] = device.self_test()
            if not as_json:
                console.print(f"self-test: {found['self_test_logits_equal']} logits equal to the reference")
        if graph is None or pictures is None or not len(pictures):
            _print(found, as_json, f"{about.board}: {device.status()}")
            return
        device.load(graph)
        start = time.monotonic()
        if as_json or len(pictures) < PROGRESS_FROM:
            result = device.infer(pictures)
        else:
            from rich.progress import Progress

            with Progress(console=console, transient=True) as bar:
                task = bar.add_task(graph.name, total=len(pictures))
                result = device.infer(pictures, lambda done: bar.update(task, completed=done))
        seconds = time.monotonic() - start
        limit, resent = device.limit(), device.resent
    confidence = _softmax(result.logits, graph.logits.exponent)
    found |= {"network": graph.name, "seconds": round(seconds, 4), "limit": limit, "frames_sent_again": resent}
    found["images"] = [
        {"image": name, "class": int(k), "confidence": round(float(c), 6), "logits": row.tolist(), "clocks": int(n)}
        for name, k, c, row, n in zip(
            names, result.classes, confidence, result.logits, result.cycles, strict=True
        )
    ]  # fmt: skip
    if labels is not None:
        found["right"] = int((result.classes == labels).sum())
    if as_json:
        print(json.dumps(found))
        return
    if labels is None:
        for entry in found["images"]:
            console.print(
                f"{entry['image']}: class {entry['class']}, confidence {entry['confidence']:.1%}", soft_wrap=True
            )
    else:
        console.print(f"{found['right']} of {len(labels)} test images right")
    again = f", {resent} frames sent again" if resent else ""
    console.print(
        f"{len(pictures)} images in {seconds:.3g} s ({len(pictures) / seconds:,.0f}/s{again}); {limit}", soft_wrap=True
    )


def _print(found: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print(json.dumps(found))
    else:
        console.print(text, soft_wrap=True)


def _softmax(logits: Any, exponent: int) -> Any:
    """Return the largest class's share: logits are in units of ``2^-exponent``."""
    import numpy as np

    scaled = logits.astype(np.float64) * 2.0**-exponent
    return 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)

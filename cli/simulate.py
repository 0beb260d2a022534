"""``shiftforge simulate``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from cli.console import CACHE, AsJson, answer, begin_answer, console, fails_clearly, print_error


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder")],
    samples: Annotated[int, typer.Option(min=1, help="number of images")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="seed of the pauses on both streams")] = 0,
    waves: Annotated[str | None, typer.Option(help="write waves: vcd or fst")] = None,
    as_json: AsJson = False,
) -> None:
    """Run images through the Verilog with cocotb and Verilator, and compare every stored number with PyTorch.

    Example: shiftforge simulate build/resnet8 --samples 10
    """
    begin_answer(as_json)
    import numpy as np

    from hw.systolic.build import open_build
    from hw.whole_file import write_whole
    from s3train.reference import load_reference
    from sim.check import check_build
    from sim.runner import Waves

    if waves not in (None, "vcd", "fst"):
        raise ValueError(f"waves {waves!r} is unknown, supported are vcd and fst")
    build = open_build(folder)
    tensor = build.compiled.network.tensor(build.compiled.network.input)
    path = folder / "reference.npz"
    if path.exists():
        reference = load_reference(path)
        images = reference.images[:samples]
        stored = {name: values[:samples] for name, values in reference.stored.items()}
        source = "PyTorch's integer reference and the numpy reference"
    else:
        rng = np.random.default_rng(seed)
        images = rng.integers(0, tensor.maximum + 1, (samples, *tensor.shape)).astype(np.uint8)
        stored = None
        source = "the numpy reference, on random images (no reference.npz here)"
    with console.status(f"simulating {len(images)} images"):
        result = check_build(build, images, CACHE, torch_reference=stored, seed=seed, waves=cast(Waves, waves))
    write_whole(folder / "simulation.json", json.dumps(result.to_json(), indent=2) + "\n")
    console.print(
        f"{result.equal} of {result.images} images equal in {result.values:,} numbers to {source}; "
        f"clocks {sorted(set(result.cycles))}, predicted {result.predicted_cycles}"
    )
    answer(as_json, folder=folder, **result.to_json())
    if not result.ok:
        print_error(result.first_difference or "the number of clocks differs")
        sys.exit(1)
    console.print(f"next: shiftforge synth {folder}")

"""``shiftforge verify``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.console import CACHE, console, fails_clearly, print_error


@fails_clearly
def run(
    folder: Annotated[Path, typer.Argument(help="a build folder")],
    samples: Annotated[int, typer.Option(min=1, help="real images, or random ones; slow levels take fewer")] = 20,
    levels: Annotated[
        str | None, typer.Option(help="some of numpy,amaranth,verilog,icarus,netlist,routed; all by default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON instead of a table")] = False,
) -> None:
    """Hold every form of the engine against the network: numpy, Amaranth, Verilog, netlist, placed netlist.

    Example: shiftforge verify build/resnet8
    """
    from hw.systolic.build import open_build
    from sim.levels import LEVELS, run_level

    names = [name.strip() for name in levels.split(",")] if levels is not None else list(LEVELS)
    for name in names:
        if name not in LEVELS:
            raise ValueError(f"level {name!r} is unknown, supported are {', '.join(LEVELS)}")
    chain = _chain(open_build(folder), samples)
    results = []
    for name in names:
        if as_json:
            results.append(run_level(chain, name))
        else:
            with console.status(f"level {name}"):
                results.append(run_level(chain, name))
    report = _report(chain, results)
    temporary = folder / ".verification.json.tmp"
    temporary.write_text(json.dumps(report, indent=2) + "\n")
    os.replace(temporary, folder / "verification.json")
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        console.print(_table(results))
        console.print(
            f"network {report['digests']['network'][:16]}, Verilog {report['digests']['verilog'][:16]}, "
            f"sources {report['digests']['sources'][:16]}; all of it is in {folder}/verification.json",
            highlight=False,
        )
    wrong = [level for level in results if level.ran and not level.ok]
    if wrong:
        what = wrong[0].first_difference or "nothing was compared"
        print_error(f"level {wrong[0].level}: {what}")
        sys.exit(1)
    missing = [level for level in results if not level.ran]
    if missing and (levels is not None or len(missing) == len(results)):
        print_error(f"level {missing[0].level} was not run: {missing[0].note}")
        sys.exit(1)


def _chain(build: Any, samples: int) -> Any:
    """Return what the levels share: real images if the build has them, else random ones, and the extreme ones."""
    import numpy as np

    from s3train.reference import load_reference
    from sim.images import with_extremes
    from sim.levels import Chain

    network = build.compiled.network
    tensor = network.tensor(network.input)
    path = build.folder / "reference.npz"
    stored = None
    if path.exists():
        reference = load_reference(path)
        real = reference.images[:samples]
        stored = {name: values[:samples] for name, values in reference.stored.items()}
    else:
        rng = np.random.default_rng(1)
        real = rng.integers(0, tensor.maximum + 1, (samples, *tensor.shape)).astype(np.uint8)
    images = with_extremes(tensor, real)
    return Chain(build, images, network.run(images), real, stored, CACHE)


def _report(chain: Any, results: list[Any]) -> dict[str, Any]:
    from sim.digests import build_digests

    return {
        "network": chain.build.compiled.network.name,
        "board": chain.build.board,
        "digests": build_digests(chain.build),
        "real_images": chain.stored is not None,
        "levels": [level.to_json() for level in results],
    }


def _table(results: list[Any]) -> Table:
    table = Table(title="every level against the numpy reference of the network's file")
    for name, justify in (("level", "left"), ("tools", "left"), ("images", "right"), ("values", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("differences", justify="right")
    table.add_column("what", overflow="fold")
    for level in results:
        if level.ran:
            counts = [f"{level.images}", f"{level.values:,}", f"{level.differences:,}"]
        else:
            counts = ["-", "-", "not run"]
        table.add_row(level.level, level.tools, *counts, level.note)
    return table

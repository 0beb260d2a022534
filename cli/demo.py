"""``shiftforge demo``: the whole path on real images."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.console import CACHE, AsJson, answer, begin_answer, console, data_folder, fails_clearly, print_error

BOARDS = ("icebreaker", "ulx3s_85f")


@fails_clearly
def run(
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("build/demo"),
    samples: Annotated[int, typer.Option(min=1, help="images to simulate on each board's engine")] = 20,
    as_json: AsJson = False,
) -> None:
    """Train a small CNN on the digits and take it to checked bitstreams for two boards.

    Example: shiftforge demo
    """
    begin_answer(as_json)
    from hw.graph import save
    from hw.whole_file import write_whole
    from s3train.curves import training_record
    from s3train.reference import make_reference, save_reference
    from s3train.runs import export_run

    begin = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    _step("1. train", "a small residual CNN on scikit-learn's digits, once float, once with 3-bit shifts")
    results = _train_both(out)
    _step("2. export", "the integer network")
    network, model, data = export_run(out / "s3", data_folder())
    save(network, out / "digits.s3net")
    training = json.dumps(training_record(out / "s3", network)) + "\n"
    write_whole(out / "digits.training.json", training)
    reference = make_reference(model, network, data, samples)
    save_reference(reference, out / "digits.reference.npz")
    _step("3. generate, simulate, synthesise", "")
    boards = {name: _board(name, network, reference, training, out) for name in BOARDS}
    summary = _summary(results, boards)
    write_whole(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    console.print(_table(summary))
    console.print(f"{time.monotonic() - begin:.0f} s; everything is in {out}, the figures in {out}/summary.json")
    answer(as_json, **summary)
    failed = [name for name, board in boards.items() if not board["comparison"].ok]
    if failed:
        print_error(f"{failed[0]}: {boards[failed[0]]['comparison'].first_difference}")
        sys.exit(1)


def _step(name: str, what: str) -> None:
    console.print(Text.assemble((name, "bold"), " ", what))


def _train_both(out: Path) -> dict[str, Any]:
    """Train the shift network, and its float twin beside it in a process of its own."""
    from s3train.train import retrain

    options: dict[str, Any] = {"out": out / "float", "data_folder": data_folder(), "method": "float", "progress": False}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        twin = pool.submit(retrain, "small_resnet", "digits", **options)
        shifted = retrain("small_resnet", "digits", out=out / "s3", data_folder=data_folder())
        return {"float": twin.result(), "s3": shifted}


def _board(name: str, network: Any, reference: Any, training: str, out: Path) -> dict[str, Any]:
    from bitstreams.boards import board_by_name
    from bitstreams.clock_choice import build_at_best_clock
    from hw.systolic.build import generate
    from hw.whole_file import write_whole
    from report.facts import collect
    from report.page import write_report
    from sim.check import check_build

    board = board_by_name(name)
    build = generate(network, name, board.device, out / name, training=training)
    with console.status("") as status:
        status.update(f"{board.title}: compiling the simulation and running {len(reference.images)} images")
        comparison = check_build(build, reference.images, CACHE, torch_reference=reference.stored)
        write_whole(build.folder / "simulation.json", json.dumps(comparison.to_json(), indent=2) + "\n")
        result = build_at_best_clock(board, build.compiled.config, out / name / "board", CACHE, report=status.update)
    console.print(
        f"   {board.title}: {comparison.equal} of {comparison.images} images equal, "
        f"clocks {sorted(set(comparison.cycles))} (predicted {comparison.predicted_cycles}); "
        f"report: {write_report(collect(build, board), build.folder)}",
        soft_wrap=True,
    )
    return {"comparison": comparison, "result": result, "build": build}


def _summary(results: dict[str, Any], boards: dict[str, dict[str, Any]]) -> dict[str, Any]:
    first = boards[BOARDS[0]]["comparison"]
    return {
        "accuracy": {
            "float": results["float"].accuracy,
            "fake_quantised": results["s3"].accuracy,
            "integer": results["s3"].integer_accuracy,
        },
        "images_checked": sum(board["comparison"].images for board in boards.values()),
        "images_equal": sum(board["comparison"].equal for board in boards.values()),
        "values_compared": sum(board["comparison"].values for board in boards.values()),
        "cycles": {"predicted": first.predicted_cycles, "simulated": max(first.cycles, default=0)},
        "boards": {name: _figures(board) for name, board in boards.items()},
    }


def _figures(board: dict[str, Any]) -> dict[str, Any]:
    comparison, result, config = board["comparison"], board["result"], board["build"].compiled.config
    return {
        "rows": config.rows,
        "cols": config.cols,
        "luts": result.luts,
        "luts_available": result.luts_available,
        "brams": result.brams,
        "sprams": result.sprams,
        "dsps": result.dsps,
        "pll_mhz": result.clock_mhz,
        "fmax_mhz": {key: result.fmax_mhz[key] for key in ("min", "median", "max")},
        "cycles": {"predicted": comparison.predicted_cycles, "simulated": max(comparison.cycles, default=0)},
        "busy": round(board["build"].compiled.busy, 4),
        "images_per_s": round(result.fmax_mhz["min"] * 1e6 / comparison.predicted_cycles, 1),
    }


def _table(summary: dict[str, Any]) -> Table:
    accuracy = summary["accuracy"]
    table = Table(
        title=f"digits: accuracy float {accuracy['float']:.2%}, fake-quantised {accuracy['fake_quantised']:.2%}, "
        f"integer {accuracy['integer']:.2%}; {summary['images_equal']} of {summary['images_checked']} images equal"
    )
    table.add_column("")
    for name in summary["boards"]:
        table.add_column(name, justify="right")
    boards = summary["boards"].values()
    rows: list[tuple[str, list[str]]] = [
        ("cells", [f"{b['rows']} x {b['cols']}" for b in boards]),
        (
            "clocks predicted / simulated",
            [f"{b['cycles']['predicted']:,} / {b['cycles']['simulated']:,}" for b in boards],
        ),
        ("logic cells", [f"{b['luts']:,} of {b['luts_available']:,}" for b in boards]),
        ("block RAMs / SPRAMs", [f"{b['brams']} / {b['sprams']}" for b in boards]),
        ("DSPs", [str(b["dsps"]) for b in boards]),
        (
            "MHz min / median / max",
            [" / ".join(f"{b['fmax_mhz'][k]:.1f}" for k in ("min", "median", "max")) for b in boards],
        ),
        ("MHz of the PLL", [f"{b['pll_mhz']:.4g}" for b in boards]),
        ("images/s at the min", [f"{b['images_per_s']:,.0f}" for b in boards]),
    ]
    for label, values in rows:
        table.add_row(label, *values)
    return table

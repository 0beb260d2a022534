"""Where every clock of an inference goes, layer by layer, as a table and a picture; ``make bench-roofline``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.clock_trace import KINDS, Budget, budgets
from bench.systolic import A4, Case, array, load_network, make_config
from hw.systolic.compiler import compile_network

PICTURES = Path("docs/pictures")
WIDEST = 4.5
"""Words a clock behind which a bar is cut off."""

COLOURS = ("#2a6f97", "#a9d6e5", "#f4a261", "#e76f51", "#9d4edd", "#bbbbbb", "#777777", "#333333")


def picture(name: str, parts: list[Budget], path: Path) -> None:
    """Draw the layers' clocks as stacked bars, and beside them the words a clock that they need."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (11, 0.4 * len(parts) + 1.6)
    figure, (axes, words) = pyplot.subplots(1, 2, figsize=size, sharey=True, width_ratios=(3, 1))
    labels = [part.node for part in parts]
    left = [0.0] * len(parts)
    for kind, colour in zip(KINDS, COLOURS, strict=True):
        values = [getattr(part, kind) for part in parts]
        axes.barh(labels, values, left=left, label=kind.replace("_", " "), color=colour)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("clocks")
    axes.set_title(name)
    axes.legend(loc="lower right", fontsize=8)
    for row, part in enumerate(parts):
        if part.needed is not None:
            words.barh(row, min(part.needed, WIDEST), color="#6c757d")
            words.text(min(part.needed, WIDEST), row, f" {part.needed:.2f}", va="center", fontsize=8)
    words.axvline(1.0, color="#e76f51", linewidth=1)
    words.set_xlim(0, 1.3 * WIDEST)
    words.set_xlabel("words a clock needed (line: there)")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def table(name: str, parts: list[Budget]) -> Table:
    """Return the layers' budgets, and their sum."""
    view = Table("layer", *(kind.replace("_", " ") for kind in KINDS), "clocks", "words/clock needed", title=name)
    for part in parts:
        numbers = [*(getattr(part, kind) for kind in KINDS), part.clocks]
        view.add_row(part.node, *(f"{n:,.0f}" for n in numbers), "" if part.needed is None else f"{part.needed:.2f}")
    sums = [sum(getattr(part, kind) for part in parts) for kind in (*KINDS, "clocks", "words", "multiply")]
    *sums, words, multiply = sums
    view.add_row("all", *(f"{n:,.0f}" for n in sums), f"{words / multiply:.2f}")
    return view


def main() -> None:
    """Print the tables and draw the pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    console = Console(width=160)
    for case in (
        Case("icebreaker", "resnet8"),
        A4,
        Case("ulx3s_85f", "resnet8", shape=array(16, 16, columns_per_requantizer=1)),
    ):
        network, _ = load_network(case)
        config = make_config(case, network)
        compiled = compile_network(network, config)
        name = f"{network.name} on {case.board}, {config.rows} x {config.cols} cells"
        parts = budgets(compiled)
        console.print(table(name, parts))
        console.print(f"{compiled.predicted_cycles:,} clocks, busy {compiled.busy:.1%}; one word a clock is there")
        path = PICTURES / f"clocks-{case.network}-{case.board}.png"
        picture(f"{name}: {compiled.predicted_cycles:,} clocks", parts, path)
        console.print(f"picture: {path}")


if __name__ == "__main__":
    main()

"""Where every clock of an inference goes, layer by layer, as a table and a picture; ``make bench-roofline``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.systolic import A4, Case, array, load_network, make_config
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.program import ResidualMode

PICTURES = Path("docs/pictures")


@dataclass(frozen=True)
class Budget:
    """Clocks of a layer.

    Attributes
    ----------
    multiply : float
        What all cells together need at least: multiply-accumulates over cells.
    idle_cells : float
        More operands than that: rows or columns without a channel.
    weights : int
        Words of weights on the operand lanes.
    port : int
        Results and residual operands on the memory's port (single-ported memory; else residual operands only).
    rest : float
        Instructions, ends of passes, waiting for requantisers, waiting for the last results of a layer.
    """

    node: str
    multiply: float
    idle_cells: float
    weights: int
    port: int
    rest: float


def budgets(compiled: CompiledNetwork) -> list[Budget]:
    """Return every layer's budget; they add up to the clocks of the inference."""
    config = compiled.config
    found = []
    for layer, clocks in zip(compiled.layers, compiled.layer_clocks, strict=True):
        multiply = layer.macs / (config.rows * config.cols)
        weights = layer.strips * config.weight_words * sum(p.weights is not None for t in layer.tiles for p in t.passes)
        results = layer.strips * len(layer.tiles) * layer.pixels
        port = results if layer.residual is not ResidualMode.NONE else 0
        if config.single_port and not layer.classes:
            port += results
        idle = clocks.slots - multiply
        found.append(Budget(layer.node, multiply, idle, weights, port, clocks.clocks - clocks.slots - weights - port))
    return found


def picture(name: str, parts: list[Budget], path: Path) -> None:
    """Draw the layers' clocks as stacked bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.4 * len(parts) + 1.6))
    kinds = [field.name for field in fields(Budget)][1:]
    left = [0.0] * len(parts)
    labels = [part.node for part in parts]
    for kind, colour in zip(kinds, ("#2a6f97", "#a9d6e5", "#f4a261", "#e76f51", "#bbbbbb"), strict=True):
        values = [max(0.0, getattr(part, kind)) for part in parts]
        axes.barh(labels, values, left=left, label=kind.replace("_", " "), color=colour)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("clocks")
    axes.set_title(name)
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Print the tables and draw the pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    console = Console()
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
        kinds = [field.name for field in fields(Budget)][1:]
        view = Table("layer", *(kind.replace("_", " ") for kind in kinds), "clocks", title=name)
        for part in [*parts, Budget("all", *(sum(getattr(p, kind) for p in parts) for kind in kinds))]:  # type: ignore[arg-type]
            numbers = [getattr(part, kind) for kind in kinds]
            view.add_row(part.node, *(f"{number:,.0f}" for number in numbers), f"{sum(numbers):,.0f}")
        console.print(view)
        console.print(f"{compiled.predicted_cycles:,} clocks, busy {compiled.busy:.1%}")
        path = PICTURES / f"clocks-{case.network}-{case.board}.png"
        picture(f"{name}: {compiled.predicted_cycles:,} clocks", parts, path)
        console.print(f"picture: {path}")


if __name__ == "__main__":
    main()

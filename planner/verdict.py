"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from hw.systolic.compiler.memory_plan import StoredMap


class Answer(Enum):
    """Whether a network would build.

    ``CLOSE``: the engine takes so much of the device that only placing it tells.
    """

    YES = "yes"
    CLOSE = "close"
    NO = "no"

    @property
    def exit_code(self) -> int:
        """Exit code of ``shiftforge check``: 0, 3 where it is close, 1."""
        return {Answer.YES: 0, Answer.CLOSE: 3, Answer.NO: 1}[self]


@dataclass(frozen=True)
class LayerVerdict:
    """A layer's row.

    Attributes
    ----------
    layer, operation, output : str
        Name, kind, and shape of the output.
    reason : str
        Why it is refused; empty if it is not.
    instead : str
        The nearest form that is supported, or empty.
    note : str
        Where it went, if it takes no clock of its own.
    clocks, sum_bits : int or None
        Clocks of an image, and bits of the sums.
    """

    layer: str
    operation: str
    output: str
    reason: str = ""
    instead: str = ""
    note: str = ""
    clocks: int | None = None
    sum_bits: int | None = None


@dataclass(frozen=True)
class EngineVerdict:
    """An engine for the network, and what it takes of the device.

    Attributes
    ----------
    rows, cols, clusters : int
        Its array.
    luts, luts_available, block_rams, block_rams_available : int
        Predicted, see :func:`~hw.systolic.area.estimate_area`.
    memory_words, memory_available : int
        Main memory in use and there.
    program_words : int
        Program and weights; ``program_apart``: not in main memory.
    maps : tuple of StoredMap
        What else is stored.
    cycles : int
        Clocks of an image, exactly.
    busy : float
        Share of the cells' clocks that do a multiply-accumulate of the network.
    clock_mhz, images_per_s : float
        At the board's clock.
    """

    rows: int
    cols: int
    clusters: int
    luts: int
    luts_available: int
    block_rams: int
    block_rams_available: int
    memory_words: int
    memory_available: int
    program_words: int
    program_apart: bool
    maps: tuple[StoredMap, ...]
    cycles: int
    busy: float
    clock_mhz: float
    images_per_s: float


@dataclass(frozen=True)
class Verdict:
    """Whether a network would build for a board, layer by layer.

    Attributes
    ----------
    network, board : str
        Names.
    layers : tuple of LayerVerdict
        In the network's order.
    problems : tuple of str
        What is wrong with the whole.
    engine : EngineVerdict or None
        ``None`` where there can be none.
    answer : Answer
        The sum of it.
    """

    network: str
    board: str
    layers: tuple[LayerVerdict, ...]
    problems: tuple[str, ...]
    engine: EngineVerdict | None
    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON types."""
        return {**asdict(self), "answer": self.answer.value, "builds": self.answer is Answer.YES}

    def __rich__(self) -> RenderableType:
        """Return the table that ``shiftforge check`` prints."""
        return _table(self)

    def __str__(self) -> str:
        console = Console(width=120, no_color=True, force_terminal=False, markup=False, emoji=False)
        with console.capture() as text:
            console.print(_table(self))
            console.print(*summary(self), sep="\n")
        return text.get()


def summary(verdict: Verdict) -> list[str]:
    """Return the lines below the table."""
    lines = [*verdict.problems]
    engine = verdict.engine
    if engine is not None:
        shape = f"{engine.rows} x {engine.cols} cells" + (f" x {engine.clusters}" if engine.clusters > 1 else "")
        lines.append(
            f"engine: {shape}, about {engine.luts:,} of {engine.luts_available:,} lookup tables, {engine.block_rams} "
            f"of {engine.block_rams_available} block RAMs, {engine.memory_words:,} of {engine.memory_available:,} "
            f"memory words"
        )
        lines.append(
            f"speed: {engine.cycles:,} clocks an image, busy {engine.busy:.0%}: {engine.images_per_s:,.0f} images/s at "
            f"{engine.clock_mhz:g} MHz"
        )
    refused = sum(bool(layer.reason) for layer in verdict.layers)
    lines.append(
        {
            Answer.YES: f"it builds for {verdict.board}",
            Answer.CLOSE: f"it may not fit {verdict.board}: only placing it tells",
            Answer.NO: f"it does not build for {verdict.board}"
            + (f": {refused} layer{'s' * (refused > 1)} of {len(verdict.layers)} refused" if refused else ""),
        }[verdict.answer]
    )
    return lines


def _table(verdict: Verdict) -> Table:
    table = Table(title=Text(f"{verdict.network} on {verdict.board}"))
    table.add_column("layer", overflow="fold")
    table.add_column("operation")
    table.add_column("output")
    table.add_column("clocks", justify="right")
    table.add_column("sum bits", justify="right")
    table.add_column("verdict", overflow="fold")
    for layer in verdict.layers:
        said = Text(layer.note or "yes", style="green" if not layer.note else "dim")
        if layer.reason:
            said = Text.assemble((f"no: {layer.reason}", "red"))
            if layer.instead:
                said.append(f"; {layer.instead}")
        numbers = ["" if number is None else f"{number:,}" for number in (layer.clocks, layer.sum_bits)]
        table.add_row(Text(layer.layer), layer.operation, layer.output, *numbers, said)
    return table

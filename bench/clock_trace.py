"""What every clock of an inference is for, by the clock model."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from hw.systolic.compiler import CompiledNetwork
from hw.systolic.compiler.plan import LayerPlan
from hw.systolic.config import EngineConfig
from hw.systolic.cycles import ClockModel


@dataclass(frozen=True)
class Budget:
    """Clocks of a layer, until its last result is stored; they add up to the inference's.

    Attributes
    ----------
    multiply : float
        What all cells together need at least: multiply-accumulates over cells.
    idle_cells : float
        More operands than that: rows or columns without a channel.
    load : int
        Words of weights on the operand lanes.
    port : int
        No operand, since a result is written or a residual operand is read.
    pace : int
        Between two operands of a pass with the port free: the requantisers are behind.
    fill : int
        From the layer before to the first operand: instructions.
    bubble : int
        Between two passes, weights left out: instructions, the end of a pass.
    drain : int
        From the layer's last operand to its last result.
    words : int
        Words that the layer moves through the memory's port: operands, residual operands, with one port results too,
        with one memory for all weights and instructions too.
    """

    node: str
    multiply: float
    idle_cells: float
    load: int
    port: int
    pace: int
    fill: int
    bubble: int
    drain: int
    words: int

    @property
    def clocks(self) -> float:
        """All clocks of the layer."""
        return sum(getattr(self, kind) for kind in KINDS)

    @property
    def needed(self) -> float | None:
        """Words a clock that the layer would need were every cell busy; ``None`` if it multiplies nothing."""
        return self.words / self.multiply if self.multiply else None


KINDS = ("multiply", "idle_cells", "load", "port", "pace", "fill", "bubble", "drain")
"""The fields of :class:`Budget` that are clocks."""


class ClockTrace(ClockModel):
    """A clock model that remembers when which word moved."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.operands: list[int] = []
        self.weights: list[int] = []
        self.instructions: list[int] = []
        self.passes: list[tuple[int, int]] = []
        """First and last operand's clock of every pass."""
        self._loading = False

    def _read(self) -> None:
        super()._read()
        (self.weights if self._loading else self.instructions).append(self.now - 1)

    def _hand_over(self, weights: bool) -> None:
        self._issue_all()
        self._end_pass()
        self._loading = True
        super()._hand_over(weights)
        self._loading = False

    def _wait_until_stored(self, *, of_last_pass: bool = False) -> None:
        super()._wait_until_stored(of_last_pass=of_last_pass)
        self._end_pass()

    def _issue(self, at: int, most: int) -> None:
        before = len(self.issued)
        super()._issue(at, most)
        self.operands += self.issued[before:]

    def _end_pass(self) -> None:
        if self.issued and not self.slots_left and (self.issued[0], self.issued[-1]) not in self.passes[-1:]:
            self.passes.append((self.issued[0], self.issued[-1]))


def budgets(compiled: CompiledNetwork) -> list[Budget]:
    """Return every layer's budget."""
    trace = ClockTrace(compiled.config)
    trace.run(compiled.layers)
    found, begin = [], 0
    for layer, clocks in zip(compiled.layers, compiled.layer_clocks, strict=True):
        found.append(_budget(trace, compiled.config, layer, begin, begin + clocks.clocks))
        begin += clocks.clocks
    return found


def _budget(trace: ClockTrace, config: EngineConfig, layer: LayerPlan, begin: int, end: int) -> Budget:
    operands = _within(trace.operands, begin, end)
    weights = _within(trace.weights, begin, end)
    instructions = _within(trace.instructions, begin, end)
    passes = [(first, last) for first, last in trace.passes if begin <= first < end]
    reserved = {clock for clock in trace.taken if begin <= clock < end}
    lost = {"load": 0, "port": 0, "pace": 0, "fill": 0, "bubble": 0, "drain": 0}
    moved, loaded, firsts = set(operands), set(weights), [first for first, _ in passes]
    for clock in range(begin, end):
        if clock in moved:
            continue
        running = bisect_right(firsts, clock) - 1
        if clock in loaded:
            kind = "load"
        elif running < 0:
            kind = "fill"
        elif clock > passes[-1][1]:
            kind = "drain"
        elif clock in reserved:
            kind = "port"
        else:
            kind = "pace" if clock < passes[running][1] else "bubble"
        lost[kind] += 1
    multiply = layer.macs / (config.rows * config.cols)
    words = len(operands) + len(reserved)
    if not config.program_words:
        words += len(weights) + len(instructions)
    return Budget(layer.node, multiply, len(operands) - multiply, words=words, **lost)


def _within(clocks: Sequence[int], begin: int, end: int) -> list[int]:
    return [clock for clock in clocks if begin <= clock < end]

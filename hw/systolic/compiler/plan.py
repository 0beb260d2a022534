"""What the compiler decides about a network, before it is written down as memory words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hw.systolic.program import ResidualMode

Weights = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PassPlan:
    """One tile of weights over all pixels of a strip.

    Attributes
    ----------
    address : int
        Word address of the first operand, relative to the first strip. May be negative where a window begins
        outside the map; such operands are replaced by the border value.
    x, y : int
        Input coordinates of the first operand.
    weights : int64 array (rows, cols) or None
        Weight values; ``None`` keeps those of the pass before.
    scale : int
        By what the pass's sums are multiplied in the end: ``2^activation_bits`` for the high bits of an image in two
        planes.
    low : bool
        The pass is for the low bits of an image in two planes.
    shift_sums : bool
        It is the first such pass of its tile.
    """

    address: int
    x: int
    y: int
    weights: Weights | None
    scale: int = 1
    low: bool = False
    shift_sums: bool = False


@dataclass(frozen=True)
class ChannelConstants:
    """Output constants of one column: ``T = ((2^j + t) * acc << scale_shift) + addend``."""

    addend: int = 0
    two_terms: bool = False
    subtract: bool = False
    shift: int = 0
    scale_shift: int = 0


@dataclass(frozen=True, eq=False)
class TilePlan:
    """The passes that make one set of ``cols`` output channels, and where their results go."""

    passes: tuple[PassPlan, ...]
    constants: tuple[ChannelConstants, ...]
    output: int
    output_step: int
    residual: int = 0
    residual_step: int = 0
    lane_set: int = 0

    def moved(self, strip: int, steps: Mapping[str, int], view: View | None) -> TilePlan:
        """Return the tile of a strip; ``steps`` are :attr:`LayerPlan.strip_steps`."""
        if strip == 0:
            return self
        passes = [
            replace(step, address=step.address + strip * steps["input_step"], y=step.y + strip * steps["y_step"])
            for step in self.passes
        ]
        if view is not None:
            # From the first row on again: a row's words are the strip's steps in words over those in rows.
            row = steps["input_step"] // steps["y_step"] if steps["y_step"] else 0
            passes = [
                replace(step, address=step.address - step.y // view.rows * view.rows * row, y=step.y % view.rows)
                for step in passes
            ]
        return replace(
            self,
            passes=tuple(passes),
            output=self.output + strip * steps["output_step"],
            residual=self.residual + strip * steps["residual_step"],
        )


@dataclass(frozen=True)
class View:
    """How a layer reads a map that wraps around, or one phase of a map (``VIEW``, :mod:`hw.systolic.program`).

    Attributes
    ----------
    x_wrap, y_wrap : int
        Words from an operand, or a row's first one, to the next where the walk goes on at the map's other end.
    rows : int
        Rows of the map.
    x_phase, y_phase : int
        Words by which an odd phase's operands are further on; 0 for a whole map.
    guide : str or None
        The tensor whose largest phase it is.
    """

    x_wrap: int
    y_wrap: int
    rows: int
    x_phase: int = 0
    y_phase: int = 0
    guide: str | None = None


@dataclass(frozen=True)
class Needs:
    """Least widths of an engine that can do a layer, see :class:`~hw.systolic.config.EngineConfig`.

    ``residual_shift`` is ``None`` in a layer that adds no residual.
    """

    acc_width: int
    scaled_width: int
    scale_shift: int
    residual_shift: int | None


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer's instructions; the fields are those of ``OPERAND`` and ``RESULT`` (:mod:`hw.systolic.program`).

    ``macs`` counts the network's multiply-accumulates that the layer does (zero weights and borders included). With a
    ``view``, ``width`` and ``height`` are the map's less the strides. ``measures`` is the stored tensor whose phases
    are measured, whose norms take ``norm_bits``; ``table`` what results go through.
    """

    node: str
    cols: int
    rows: int
    x_step: int
    y_step: int
    stride_x: int
    stride_y: int
    width: int
    height: int
    border: int
    maximum: int
    tiles: tuple[TilePlan, ...]
    residual: ResidualMode = ResidualMode.NONE
    residual_shift: int = 0
    classes: int = 0
    strips: int = 1
    strip_steps: dict[str, int] = field(default_factory=dict)
    macs: int = 0
    needs: Needs = Needs(0, 0, 0, None)
    view: View | None = None
    measures: str | None = None
    norm_bits: int = 0
    table: NDArray[np.uint8] | None = None

    @property
    def looped(self) -> bool:
        """Whether an engine with ``strip_loops`` repeats the passes of a strip; what wraps around is written out."""
        return self.strips > 1 and self.view is None

    def strip_tiles(self, strip: int) -> list[TilePlan]:
        """Return the tiles of a strip.

        Where strips are written out in any case, every second one runs backwards: it begins with the weights with which
        the one before ended.
        """
        tiles = [tile.moved(strip, self.strip_steps, self.view) for tile in self.tiles]
        if self.strips == 1 or not self.serpentine:
            return tiles
        if strip % 2:
            tiles = [replace(tile, passes=tile.passes[::-1]) for tile in tiles[::-1]]
        return without_reloads(tiles, tiles[0].passes[0].weights if strip else None)

    @property
    def serpentine(self) -> bool:
        """Whether every second strip runs backwards: not where the low bits of an image must follow the high ones."""
        return self.view is not None and not any(step.low for tile in self.tiles for step in tile.passes)

    @property
    def row_step(self) -> int:
        """Words from the last operand of a row to the first one of the next row."""
        return self.y_step - (self.cols - 1) * self.x_step

    @property
    def largest_step(self) -> int:
        """Most words from an operand, a result or a residual operand to the next."""
        return max(self.x_step, *(max(tile.output_step, tile.residual_step) for tile in self.tiles))

    @property
    def pixels(self) -> int:
        """Output pixels of a strip."""
        return self.cols * self.rows

    @property
    def writes(self) -> int:
        """Masked words that the layer writes."""
        return 0 if self.classes else len(self.tiles) * self.pixels * self.strips

    @property
    def coordinate_bits(self) -> int:
        """Width of coordinates that tell every operand from one outside of the map."""
        most = max(self.cols, self.rows * self.strips, self.strips)
        if self.view is not None:
            return max(most, self.width + self.stride_x, self.view.rows).bit_length()
        for tile in self.tiles:
            for step in tile.passes:
                for begin, size, stride, count in (
                    (step.x, self.width, self.stride_x, self.cols),
                    (step.y, self.height, self.stride_y, self.rows * self.strips),
                ):
                    end = max(size, begin + stride * (count - 1) + 1)
                    most = max(most, end - min(0, begin))
        return most.bit_length()


def without_reloads(tiles: Sequence[TilePlan], held: Weights | None = None) -> list[TilePlan]:
    """Keep the weights of the pass before where they are the same; ``held`` are those that the array has already."""
    kept = []
    for tile in tiles:
        passes = []
        for step in tile.passes:
            same = held is not None and step.weights is not None and np.array_equal(held, step.weights)
            held = step.weights
            passes.append(replace(step, weights=None) if same else step)
        kept.append(replace(tile, passes=tuple(passes)))
    return kept


class CompileError(ValueError):
    """The network cannot be compiled for this engine; the message names layer, finding and limit."""


class CapacityError(CompileError):
    """The network is too large for this engine's memory.

    ``excess`` is what it needs as a multiple of what there is.
    """

    def __init__(self, message: str, excess: float) -> None:
        super().__init__(message)
        self.excess = excess

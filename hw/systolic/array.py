"""The systolic array: tiles of shift-add cells, between them neighbour-to-neighbour wires only."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Module
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delayed
from hw.systolic.processing_element import borrow
from hw.systolic.tile import Tile
from hw.systolic.widths import sum_width


class ShiftAddArray(wiring.Component):
    """Weight-stationary array; every clock takes one activation a row and gives one sum a column.

    ::

        rows of tile 0 ──────────► tile ► tile ► tile
                                    │      │      │
        rows of tile 1 ──────────► tile ► tile ► tile
                                    │      │      │
        rows of tile 2 ─[1 clock]► tile ► tile ► tile    one clock later
                                    │      │      │
                                 sums 0  sums 1  sums 2  group g is g clocks after group 0

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    lanes : ``rows`` lanes of ``activation_bits``, in
        Activations of one slot, or weight codes of ``lane_codes`` columns for all rows.
    load, begin : in
        See :func:`~hw.systolic.tile.row_token`; they belong to the lanes of the same clock, ``begin`` comes with
        ``load`` only.
    sums : ``cols`` signed sums, out

    Latency
    -------
    ``2 + log2(tile_rows / 2) + tiles_down - 1 + g`` clocks from ``lanes`` to the sums of column group ``g``. A new set
    of weights takes ``weight_words`` clocks on the lanes, right behind the activations of the set before.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.sum_width = sum_width(config.activation_bits, config.alphabet, config.rows)
        super().__init__(
            {
                "lanes": In(config.activation_bits).array(config.rows),
                "load": In(1),
                "begin": In(1),
                "sums": Out(signed(self.sum_width)).array(config.cols),
            }
        )

    def model(self, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Return the column sums of slots of activations.

        Parameters
        ----------
        weights : integer array (rows, cols)
            Weight values.
        activations : integer array (n, rows)
            Unsigned activations of ``n`` slots.

        Returns
        -------
        int64 array (n, cols)
            ``activations @ weights``, less the borrows of the row pairs
            (:func:`~hw.systolic.processing_element.borrow`).
        """
        weights = np.asarray(weights, np.int64)
        borrows = borrow(self.config.alphabet, weights[::2], weights[1::2], apart=self.config.signs_apart)
        return np.asarray(np.asarray(activations, np.int64) @ weights - borrows.sum(axis=0))

    def cycles(self, group: int = 0) -> int:
        """Return the latency in clocks from the lanes to the sums of a column group."""
        return timing.array_latency(self.config) + group

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        height = config.tile_rows
        above: list[Tile] = []
        for level in range(config.tiles_down):
            # The tile above adds first, and its sum is there a clock after its own share.
            late = max(0, level - 1)
            lanes = Cat(*(self.lanes[level * height + r] for r in range(height)))
            tiles = [Tile(config, level, last=g == config.groups - 1) for g in range(config.groups)]
            for g, tile in enumerate(tiles):
                m.submodules[f"tile_{level}_{g}"] = tile
                if g:
                    m.d.comb += tile.row_i.eq(tiles[g - 1].row_o)
                else:
                    m.d.comb += [
                        tile.row_i.lanes.as_value().eq(delayed(m, lanes, late, f"level{level}_lanes")),
                        tile.row_i.load.eq(delayed(m, self.load, late, f"level{level}_load")),
                        tile.row_i.begin.eq(delayed(m, self.begin, late, f"level{level}_begin")),
                    ]
                for c in range(config.tile_cols if level else 0):
                    m.d.comb += tile.sums_i[c].eq(above[g].sums_o[c])
            above = tiles
        for g, tile in enumerate(above):
            for c in range(config.tile_cols):
                m.d.comb += self.sums[g * config.tile_cols + c].eq(tile.sums_o[c])
        return m

"""The systolic array: rows x cols shift-add cells, neighbour-to-neighbour wires only."""

from __future__ import annotations

import numpy as np
from amaranth import Module
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.delay import delayed
from hw.systolic.processing_element import borrow
from hw.systolic.tile import Tile
from hw.systolic.widths import sum_width


class ShiftAddArray(wiring.Component):
    """Weight-stationary array; every clock takes one activation a row and gives one sum a column.

    ::

        lanes 0,1 ──────────► tile ► tile ► tile        row pair 0
                               │      │      │
        lanes 2,3 ──────────► tile ► tile ► tile        row pair 1
                               │      │      │
        lanes 4,5 ─[1 clock]► tile ► tile ► tile        row pair 2, one clock later
                               │      │      │
                            sums 0  sums 1  sums 2      group g is g clocks after group 0

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    lanes : ``rows`` lanes of ``activation_bits``, in
        Activations of one slot, or weight codes of one column group for all rows.
    load, swap : in
        See :func:`~hw.systolic.tile.row_token`; they belong to the lanes of the same clock.
    sums : ``cols`` signed sums, out

    Latency
    -------
    ``2 + rows / 2 + g`` clocks from ``lanes`` to the sums of column group ``g``. A new set of weights takes
    ``groups`` clocks on the lanes; the clock after, the first slot with ``swap`` may follow.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.sum_width = sum_width(config.activation_bits, config.alphabet, config.rows)
        super().__init__(
            {
                "lanes": In(config.activation_bits).array(config.rows),
                "load": In(1),
                "swap": In(1),
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
        return np.asarray(activations, np.int64) @ weights - borrow(weights[::2], weights[1::2]).sum(axis=0)

    def cycles(self, group: int = 0) -> int:
        """Return the latency in clocks from the lanes to the sums of a column group."""
        return 2 + self.config.pairs + group

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        sums: list[Tile] = []
        for pair in range(config.pairs):
            late = max(0, pair - 1)
            tokens = [
                delayed(m, signal, late, f"pair{pair}_{name}", reset_less=not name.startswith("t"))
                for name, signal in (
                    ("a0", self.lanes[2 * pair]),
                    ("a1", self.lanes[2 * pair + 1]),
                )
            ]
            load = delayed(m, self.load, late, f"pair{pair}_load", reset_less=False)
            swap = delayed(m, self.swap, late, f"pair{pair}_swap", reset_less=False)
            tiles = [Tile(config, pair) for _ in range(config.groups)]
            for g, tile in enumerate(tiles):
                m.submodules[f"tile_{pair}_{g}"] = tile
                if g == 0:
                    m.d.comb += [
                        tile.row_i.a0.eq(tokens[0]),
                        tile.row_i.a1.eq(tokens[1]),
                        tile.row_i.load.eq(load),
                        tile.row_i.swap.eq(swap),
                    ]
                else:
                    m.d.comb += tile.row_i.eq(tiles[g - 1].row_o)
                if pair:
                    for h in range(config.group_cols):
                        m.d.comb += tile.sums_i[h].eq(sums[g].sums_o[h])
            sums = tiles
        for g, tile in enumerate(sums):
            for h in range(config.group_cols):
                m.d.comb += self.sums[g * config.group_cols + h].eq(tile.sums_o[h])
        return m

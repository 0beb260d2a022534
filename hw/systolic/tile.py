"""One tile of the array: a row pair by a column group, with its activation registers."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.processing_element import CellPair
from hw.systolic.widths import sum_width


def row_token(config: EngineConfig) -> data.StructLayout:
    """Layout of what moves right through a row pair in one clock.

    ``a0``/``a1`` are the two rows' lanes: activations, or (``load`` high) weight codes for one column group,
    ``code_pitch`` bits apart. ``swap`` marks the first activation that meets the weights loaded last.
    """
    return data.StructLayout({"a0": config.activation_bits, "a1": config.activation_bits, "load": 1, "swap": 1})


class Tile(wiring.Component):
    """``group_cols`` pairs of cells that share two activation registers.

    ::

                  sums_i from the tile above
                     │
        row_i ──►[register]──────────► row_o     tokens move right, one tile a clock
                     │
                 cell pairs ── + ── register     sums move down, one tile a clock
                               │
                            sums_o

    Weights come along the rows like activations: the first ``load`` token that meets an empty tile is taken
    into its shadow registers and goes no further; ``swap`` empties the tile again. So ``groups`` load tokens
    fill a row pair, the first one the leftmost tile, and no wire is longer than a tile.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    pair : int
        Which row pair from the top. The topmost has no ``sums_i``.

    Ports
    -----
    row_i, row_o : :func:`row_token`, in and out
    sums_i, sums_o : ``group_cols`` signed column sums, in (not in the topmost pair) and out

    Latency
    -------
    One clock from ``row_i`` to ``row_o``; three clocks from ``row_i`` to the own share of ``sums_o``; one
    clock from ``sums_i`` to ``sums_o`` (the topmost pair's sum is not registered again).
    """

    def __init__(self, config: EngineConfig, pair: int) -> None:
        self.config = config
        self.pair = pair
        a, alphabet = config.activation_bits, config.alphabet
        width_o = sum_width(a, alphabet, rows=2 * pair + 2)
        ports = {
            "row_i": In(row_token(config)),
            "row_o": Out(row_token(config)),
            "sums_o": Out(signed(width_o)).array(config.group_cols),
        }
        if pair:
            ports["sums_i"] = In(signed(sum_width(a, alphabet, rows=2 * pair))).array(config.group_cols)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        a0 = Signal(config.activation_bits, reset_less=True)
        a1 = Signal(config.activation_bits, reset_less=True)
        load = Signal()
        swap = Signal()
        full = Signal()
        capture = Signal()
        m.d.comb += capture.eq(self.row_i.load & ~full)
        m.d.sync += [
            a0.eq(self.row_i.a0),
            a1.eq(self.row_i.a1),
            swap.eq(self.row_i.swap),
            load.eq(self.row_i.load & full),
            full.eq(self.row_i.load | (full & ~self.row_i.swap)),
        ]
        m.d.comb += [
            self.row_o.a0.eq(a0),
            self.row_o.a1.eq(a1),
            self.row_o.load.eq(load),
            self.row_o.swap.eq(swap),
        ]
        for h in range(config.group_cols):
            cells = CellPair(config.activation_bits, config.alphabet)
            m.submodules[f"cells{h}"] = cells
            m.d.comb += [
                cells.a0.eq(a0),
                cells.a1.eq(a1),
                cells.code0.eq(self.row_i.a0 >> h * config.code_pitch),
                cells.code1.eq(self.row_i.a1 >> h * config.code_pitch),
                cells.capture.eq(capture),
                cells.swap.eq(self.row_i.swap),
            ]
            if self.pair == 0:
                m.d.comb += self.sums_o[h].eq(cells.total)
            else:
                total = Signal.like(self.sums_o[h], name=f"sum{h}", reset_less=True)
                m.d.sync += total.eq(self.sums_i[h] + cells.total)
                m.d.comb += self.sums_o[h].eq(total)
        return m

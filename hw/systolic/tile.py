"""One tile of the array: cells that share their activations, and the adders that join them."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.multiplier import cell_pair
from hw.systolic.widths import sum_width


def row_token(config: EngineConfig) -> data.StructLayout:
    """Layout of what moves right through a row of tiles in one clock.

    ``lanes`` are activations, one a row, or (``load`` high) weight codes of ``lane_codes`` columns, ``code_pitch`` bits
    apart. ``begin`` marks the first word of a set of weights.
    """
    lanes = data.ArrayLayout(config.activation_bits, config.tile_rows)
    return data.StructLayout({"lanes": lanes, "load": 1, "begin": 1})


class Tile(wiring.Component):
    """``tile_rows`` x ``tile_cols`` cells.

    ::

                   sums_i from the tile above
                      │
        row_i ──┬─────┼────────[register]──► row_o   tokens move right, one tile a clock
                │     │
            cell pairs, tree of adders
                      │
                      + ── register                  sums move down, one tile a clock
                      │
                    sums_o

    Weights come along the rows like activations, between those of two passes: the first ``load`` tokens behind a
    ``begin`` are this tile's, the leftmost columns first, the others go on to the right. So ``weight_words`` load
    tokens fill a row of tiles, and a cell needs no second register for the weights of the next pass.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    level : int
        Which tile from the top. The topmost has no ``sums_i``.

    Ports
    -----
    row_i, row_o : :func:`row_token`, in and out
    sums_i, sums_o : ``tile_cols`` signed column sums, in (not in the topmost tile) and out

    Latency
    -------
    One clock from ``row_i`` to ``row_o``; :meth:`cycles` clocks from ``row_i`` to the own share of ``sums_o``; one
    clock from ``sums_i`` to ``sums_o`` (the topmost tile's sum is not registered again).
    """

    def __init__(self, config: EngineConfig, level: int) -> None:
        self.config = config
        self.level = level
        ports = {
            "row_i": In(row_token(config)),
            "row_o": Out(row_token(config)),
            "sums_o": Out(signed(self._width(level + 1))).array(config.tile_cols),
        }
        if level:
            ports["sums_i"] = In(signed(self._width(level))).array(config.tile_cols)
        super().__init__(ports)

    def _width(self, tiles: int) -> int:
        """Return the width in bits of the sum of a column of ``tiles`` tiles."""
        config = self.config
        return sum_width(config.activation_bits, config.alphabet, rows=config.tile_rows * tiles)

    def cycles(self) -> int:
        """Return the clocks from ``row_i`` to the own share of ``sums_o``."""
        return 2 + (self.config.tile_rows // 2).bit_length() - 1 + (self.level > 0)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, token = self.config, self.row_i
        words = config.tile_cols // config.lane_codes
        filled = Signal(range(words + 1))
        full = Signal()
        load, begin = Signal(), Signal()
        position = Signal.like(filled)
        lanes = Signal.like(token.lanes.as_value(), reset_less=True)
        m.d.comb += [position.eq(Mux(token.begin, 0, filled)), full.eq(position == words)]
        m.d.sync += [lanes.eq(token.lanes.as_value()), load.eq(token.load & full), begin.eq(token.begin)]
        m.d.sync += filled.eq(Mux(token.load & ~full, position + 1, position))
        m.d.comb += [
            self.row_o.lanes.as_value().eq(lanes),
            self.row_o.load.eq(load),
            self.row_o.begin.eq(begin),
        ]
        captures = [Signal(name=f"capture{word}") for word in range(words)]
        for word, capture in enumerate(captures):
            m.d.comb += capture.eq(token.load & (position == word))
        for column in range(config.tile_cols):
            word, code = divmod(column, config.lane_codes)
            total = self._column(m, column, captures[word], code * config.code_pitch)
            if self.level:
                below = Signal.like(self.sums_o[column], name=f"sum{column}", reset_less=True)
                m.d.sync += below.eq(self.sums_i[column] + total)
                total = below
            m.d.comb += self.sums_o[column].eq(total)
        return m

    def _column(self, m: Module, column: int, capture: Signal, offset: int) -> Value:
        """Make a column's cells and their tree of adders, a register a level; return the sum."""
        config, token = self.config, self.row_i
        sums: list[Value] = []
        for pair in range(config.tile_rows // 2):
            cells = cell_pair(config.activation_bits, config.alphabet)
            m.submodules[f"cells_{pair}_{column}"] = cells
            upper, lower = token.lanes[2 * pair], token.lanes[2 * pair + 1]
            m.d.comb += [
                cells.a0.eq(upper),
                cells.a1.eq(lower),
                cells.code0.eq(upper >> offset),
                cells.code1.eq(lower >> offset),
                cells.capture.eq(capture),
            ]
            sums.append(cells.total)
        rows = 2
        while len(sums) > 1:
            rows *= 2
            level = []
            for i in range(0, len(sums), 2):
                width = sum_width(config.activation_bits, config.alphabet, rows)
                joined = Signal(signed(width), name=f"tree{rows}_{i}_{column}", reset_less=True)
                m.d.sync += joined.eq(sums[i] + sums[i + 1])
                level.append(joined)
            sums = level
        return sums[0]

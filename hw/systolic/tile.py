"""One tile of the array: cells that share their activations, and the adders that join them."""

from __future__ import annotations

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.multiplier import cell_pair
from hw.systolic.widths import sum_width


def row_token(config: EngineConfig) -> data.StructLayout:
    """Layout of what moves right through a row of tiles in one clock.

    ``lanes`` are activations, one a row, or (``load`` high) weight codes of ``lane_codes`` columns, ``code_pitch`` bits
    apart. ``begin`` comes with the first word of a set of weights.
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

    Weights come along the rows like activations, between those of two passes: the ``load`` tokens from one with
    ``begin`` on are this tile's, the leftmost columns first, and the first one behind them goes on with ``begin``. So
    ``weight_words`` load tokens fill a row of tiles, and a cell needs no second register for the weights of the next
    pass. Nothing here has a reset: a token that is on its way when the engine stops changes weights only.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    level : int
        Which tile from the top. The topmost has no ``sums_i``.
    last : bool
        The rightmost tile of its row: the last tokens are its own, and it has no ``row_o``.

    Ports
    -----
    row_i, row_o : :func:`row_token`, in and out (not in the last tile)
    sums_i, sums_o : ``tile_cols`` signed column sums, in (not in the topmost tile) and out

    Latency
    -------
    One clock from ``row_i`` to ``row_o``; :meth:`cycles` clocks from ``row_i`` to the own share of ``sums_o``; one
    clock from ``sums_i`` to ``sums_o`` (the topmost tile's sum is not registered again).
    """

    def __init__(self, config: EngineConfig, level: int, *, last: bool) -> None:
        self.config = config
        self.level = level
        self.last = last
        ports = {
            "row_i": In(row_token(config)),
            "sums_o": Out(signed(self._width(level + 1))).array(config.tile_cols),
        }
        if not last:
            ports["row_o"] = Out(row_token(config))
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
        position = self._position(m, words)
        captures = [Signal(name=f"capture{word}") for word in range(words)]
        for word, capture in enumerate(captures):
            m.d.comb += capture.eq(token.load & (position == word))
        if not self.last:
            lanes = Signal.like(token.lanes.as_value(), reset_less=True)
            load, begin, handing_on = (Signal(name=n, reset_less=True) for n in ("load", "begin", "handing_on"))
            full = Signal()
            m.d.comb += full.eq(position == words)
            m.d.sync += [
                lanes.eq(token.lanes.as_value()),
                load.eq(token.load),
                begin.eq(token.load & full & ~handing_on),
            ]
            with m.If(token.load):
                m.d.sync += handing_on.eq(full)
            m.d.comb += [
                self.row_o.lanes.as_value().eq(lanes),
                self.row_o.load.eq(load),
                self.row_o.begin.eq(begin),
            ]
        for column in range(config.tile_cols):
            word, code = divmod(column, config.lane_codes)
            total = self._column(m, column, captures[word], code * config.code_pitch)
            if self.level:
                below = Signal.like(self.sums_o[column], name=f"sum{column}", reset_less=True)
                m.d.sync += below.eq(self.sums_i[column] + total)
                total = below
            m.d.comb += self.sums_o[column].eq(total)
        return m

    def _position(self, m: Module, words: int) -> Value:
        """Return which word of this tile's weights a load token is, ``words`` if none; the last tile has no others."""
        token = self.row_i
        if words == 1:
            return Const(0) if self.last else ~token.begin
        taken = Signal(range(words if self.last else words + 1), reset_less=True)
        position = Signal.like(taken)
        m.d.comb += position.eq(Mux(token.begin, 0, taken))
        with m.If(token.load & (position != words)):
            m.d.sync += taken.eq(position + 1)
        return position

    def _column(self, m: Module, column: int, capture: Signal, offset: int) -> Value:
        """Make a column's cells and their tree of adders, a register a level; return the sum."""
        config, token = self.config, self.row_i
        sums: list[Value] = []
        for pair in range(config.tile_rows // 2):
            cells = cell_pair(config.activation_bits, config.alphabet, apart=config.signs_apart)
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

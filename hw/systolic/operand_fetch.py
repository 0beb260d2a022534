"""From the memory's fetch register to the lanes of the array."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delayed

TOKEN = data.StructLayout({"load": 1, "begin": 1, "outside": 1, "low": 1})
"""What the word read in this clock is: weights (``load``, the first word with ``begin``), or activations, which may be
outside the map; ``low``: the low bits of an image in two planes, 0 outside."""


class OperandFetch(wiring.Component):
    """Replaces operands outside the map by the border value and keeps a word's tags beside it.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    token : :data:`TOKEN`, in, at clock 0 (when the address is given to the memory)
    fetched, weights : ``word_bits``, in, at clock ``timing.fetch``
        The fetch registers of the maps' memory and of the program's, which may be the same.
    border : unsigned(activation_bits), in, constant during a layer
    lanes, load, begin : out, one clock later, see :class:`~hw.systolic.array.ShiftAddArray`

    Latency
    -------
    ``timing.lanes`` clocks from the read to the lanes.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "token": In(TOKEN),
                "fetched": In(config.word_bits),
                "weights": In(config.word_bits),
                "border": In(config.activation_bits),
                "lanes": Out(config.activation_bits).array(config.rows),
                "load": Out(1),
                "begin": Out(1),
            }
        )

    def cycles(self) -> int:
        """Return the clocks from the read to the lanes."""
        return timing.lanes(self.config)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a = self.config.activation_bits
        outside = delayed(m, self.token.outside, timing.fetch(self.config), "outside")
        load = delayed(m, self.token.load, timing.lanes(self.config), "load")
        begin = delayed(m, self.token.begin, timing.lanes(self.config), "begin")
        m.d.comb += [self.load.eq(load), self.begin.eq(begin)]
        border = self.border
        if self.config.image_planes == 2:
            low = delayed(m, self.token.low, timing.fetch(self.config) - 1, "low")
            border = Signal(a, reset_less=True)
            m.d.sync += border.eq(Mux(low, 0, self.border))
        word: Value = self.fetched
        if self.config.program_words:
            loading = delayed(m, self.token.load, timing.fetch(self.config), "loading")
            word = Mux(loading, self.weights, self.fetched)
        for r in range(self.config.rows):
            lane = Signal(a, name=f"lane{r}", reset_less=True)
            m.d.sync += lane.eq(Mux(outside, border, word.word_select(r, a)))
            m.d.comb += self.lanes[r].eq(lane)
        return m

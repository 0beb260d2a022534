"""Index of the largest logit."""

from __future__ import annotations

import numpy as np
from amaranth import Module, Mux, Signal
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Argmax(wiring.Component):
    """Keeps the largest of a sequence of numbers and its index; the lowest index wins ties.

    Ports
    -----
    value : signed(32), in; valid : in
    first : in
        ``value`` is the first of a sequence (index 0).
    index : unsigned(16), out
        Index of the largest number so far, one clock after it was given.

    Latency
    -------
    One clock from ``value`` to ``index``.
    """

    def __init__(self) -> None:
        super().__init__({"value": In(signed(32)), "valid": In(1), "first": In(1), "index": Out(16)})

    def model(self, values: np.ndarray) -> int:
        """Return the index for one sequence."""
        return int(np.argmax(values))

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        best = Signal(signed(32), reset_less=True)
        count = Signal(16, reset_less=True)
        index = Signal(16, reset_less=True)
        position = Signal(16)
        m.d.comb += [position.eq(Mux(self.first, 0, count)), self.index.eq(index)]
        with m.If(self.valid):
            m.d.sync += count.eq(position + 1)
            with m.If(self.first | (self.value > best)):
                m.d.sync += [best.eq(self.value), index.eq(position)]
        return m

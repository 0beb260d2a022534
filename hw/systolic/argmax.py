"""Index of the largest logit."""

from __future__ import annotations

import numpy as np
from amaranth import Module, Mux, Signal
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.delay import delayed

INDEX_BITS = 10
"""Width of an index: a layer has less than 1024 classes (``RESULT`` in :mod:`hw.systolic.program`)."""


class Argmax(wiring.Component):
    """Keeps the largest of a sequence of numbers and its index; the lowest index wins ties.

    Parameters
    ----------
    width : int
        Bits of a number.
    registered : bool
        Registers before the comparison and behind it, for a fast clock: what is compared stays beside its comparator.

    Ports
    -----
    value : signed(width), in; valid : in
    restart : in: forgets the largest number; needed before every sequence, a clock or more before its first number
    first : in
        ``value`` is the first of a sequence (index 0).
    index : unsigned(:data:`INDEX_BITS`), out
        Index of the largest number so far.

    Latency
    -------
    One clock from ``value`` to ``index``, three with ``registered``.
    """

    def __init__(self, width: int, *, registered: bool = False) -> None:
        self.width = width
        self.registered = registered
        super().__init__(
            {"value": In(signed(width)), "valid": In(1), "restart": In(1), "first": In(1), "index": Out(INDEX_BITS)}
        )

    def model(self, values: np.ndarray) -> int:
        """Return the index for one sequence."""
        return int(np.argmax(values))

    def cycles(self) -> int:
        """Return the latency in clocks."""
        return 3 if self.registered else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        least = -1 << self.width - 1
        best = Signal(signed(self.width), reset_less=True)
        count = Signal(INDEX_BITS, reset_less=True)
        index = Signal(INDEX_BITS, reset_less=True)
        position = Signal(INDEX_BITS)
        better = Signal()
        clocks = int(self.registered)
        # The least number is never larger, so nothing is behind the comparison but the register that it enables.
        value = delayed(m, Mux(self.valid, self.value, least), clocks, "value")
        valid, first = delayed(m, self.valid, clocks, "valid"), delayed(m, self.first, clocks, "first")
        # The difference's sign is one carry chain; what synthesis makes of a comparison leaves it and enters it again.
        difference = Signal(signed(self.width + 1))
        m.d.comb += [difference.eq(best - value), better.eq(difference[-1])]
        m.d.comb += [position.eq(Mux(first, 0, count)), self.index.eq(index)]
        with m.If(valid):
            m.d.sync += count.eq(position + 1)
        with m.If(better):
            m.d.sync += best.eq(value)
        with m.If(self.restart):
            m.d.sync += best.eq(least)
        found = delayed(m, better | (valid & first), clocks, "better")
        place = delayed(m, position, clocks, "position")
        with m.If(found):
            m.d.sync += index.eq(place)
        return m

"""Whether a program arrived as it was sent."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig


class LoadChecksum(wiring.Component):
    """Fletcher's checksum of the lanes of a program, see :func:`~hw.systolic.program.closing_word`.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine; both sums have ``activation_bits`` bits.

    Ports
    -----
    restart : in; a new program begins, if lanes follow
    valid, lane : in; a lane of the program
    intact : out; both sums were zero behind the last lane, as they are behind a whole program; also before any

    Latency
    -------
    ``intact`` is right two clocks after a lane.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__({"restart": In(1), "valid": In(1), "lane": In(config.activation_bits), "intact": Out(1)})

    def cycles(self) -> int:
        """Return the clocks from a lane to ``intact``."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = Signal(self.config.activation_bits)
        second = Signal(self.config.activation_bits)
        intact = Signal(init=1)
        late = Signal()
        # The second sum takes the first one a clock later, so that two adders do not follow one another.
        # Judged only behind a lane: an engine that starts its program again has the one that arrived last.
        later = Signal()
        m.d.sync += [late.eq(self.valid), later.eq(late)]
        with m.If(later):
            m.d.sync += intact.eq((first == 0) & (second == 0))
        with m.If(late):
            m.d.sync += second.eq(second + first)
        with m.If(self.valid):
            m.d.sync += first.eq(first + self.lane)
        with m.If(self.restart):
            m.d.sync += [first.eq(0), second.eq(0), late.eq(0), later.eq(0)]
        m.d.comb += self.intact.eq(intact)
        return m

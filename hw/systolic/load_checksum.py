"""Whether a program arrived as it was sent."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.program import CHECKSUM


class LoadChecksum(wiring.Component):
    """CRC-16 of the lanes of a program, see :func:`~hw.systolic.program.closing_word`.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine; a lane has ``activation_bits`` bits.

    Ports
    -----
    restart : in; a new program begins, if lanes follow
    valid, lane : in; a lane of the program
    intact : out; the CRC was zero behind the last lane, as it is behind a whole program; also before any

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
        m.submodules.crc = processor = crc.Processor(CHECKSUM(self.config.activation_bits))
        m.d.comb += [
            processor.start.eq(self.restart),
            processor.data.eq(self.lane),
            processor.valid.eq(self.valid),
        ]
        # Judged only behind a lane: an engine that starts its program again has the one that arrived last.
        intact = Signal(init=1)
        late = Signal()
        m.d.sync += late.eq(self.valid)
        with m.If(late):
            m.d.sync += intact.eq(processor.crc == 0)
        with m.If(self.restart):
            m.d.sync += late.eq(0)
        m.d.comb += self.intact.eq(intact)
        return m

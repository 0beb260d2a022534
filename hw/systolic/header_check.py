"""Whether a program was made for this engine."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.program import HEADER, VERSION, alphabet_number, code_number


class Error(enum.Enum, shape=3):  # type: ignore[call-arg]
    """Why the engine stopped."""

    NONE = 0
    VERSION = 1
    SHAPE = 2
    OPCODE = 3
    CHECKSUM = 4
    OVERDUE = 5


class HeaderCheck(wiring.Component):
    """Compares a header with the engine; the comparison is wide, so its answer is registered.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    header : :data:`~hw.systolic.program.HEADER`, in
    intact : in; the program's checksum is right
    error : :class:`Error`, out; ``NONE`` if the engine can run the program

    Latency
    -------
    One clock from ``header`` to ``error``.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__({"header": In(HEADER), "intact": In(1), "error": Out(Error)})

    def cycles(self) -> int:
        """Return the clocks from ``header`` to ``error``."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, header = self.config, self.header
        fits = (
            (header.rows == config.rows)
            & (header.cols == config.cols)
            & (header.activation_bits == config.activation_bits)
            & (header.code_bits == code_number(config))
            & (header.alphabet == alphabet_number(config.alphabet))
        )
        error = Signal(Error, reset_less=True)
        m.d.comb += self.error.eq(error)
        m.d.sync += error.eq(Error.NONE)
        with m.If(~self.intact):
            m.d.sync += error.eq(Error.CHECKSUM)
        with m.Elif(header.version != VERSION):
            m.d.sync += error.eq(Error.VERSION)
        with m.Elif(~fits):
            m.d.sync += error.eq(Error.SHAPE)
        return m

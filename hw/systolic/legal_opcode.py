"""Which instructions may come when."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth import Cat, Mux, Value

from hw.systolic.config import EngineConfig
from hw.systolic.program import Opcode

BETWEEN_IMAGES = frozenset({Opcode.CONSTANTS, Opcode.INPUT})
"""What may come while no inference is running; the others come only during one."""


def legal_opcode(opcode: Value, config: EngineConfig, *, checked: Value, busy: Value) -> Value:
    """Return whether an engine takes an instruction now.

    The first one must be the header: a program whose head is damaged must not get past the check. Between images there
    are no jumps, so no program runs in circles without an image.

    Parameters
    ----------
    opcode : 4 bits
        The instruction's.
    config : EngineConfig
        Shape of the engine, which may lack some.
    checked, busy : 1 bit
        The header was found right; an inference is running.
    """
    absent = {Opcode.STRIP, Opcode.LOOP} if not config.strip_loops else set()
    absent |= {Opcode.VIEW} if not config.circular else set()

    def one_of(opcodes: Iterable[Opcode]) -> Value:
        return Cat(opcode == number for number in sorted(opcodes)).any()

    during = one_of(set(Opcode) - BETWEEN_IMAGES - {Opcode.HEADER} - absent)
    return Mux(checked, Mux(busy, during, one_of(BETWEEN_IMAGES)), opcode == Opcode.HEADER)

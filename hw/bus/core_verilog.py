"""Writes an engine on a bus as readable Verilog."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from amaranth.lib.wiring import Component

from hw.bus.accelerators import AxiAccelerator, WishboneAccelerator
from hw.systolic.config import EngineConfig
from hw.verilog import write_verilog


class Bus(enum.Enum):
    """What a core is connected to."""

    AXI = "axi"
    WISHBONE = "wishbone"

    @property
    def data(self) -> bool:
        """Whether data goes through registers."""
        return self is Bus.WISHBONE

    @property
    def module(self) -> str:
        """Name of the core's top module."""
        return f"shiftforge_{self.value}"

    @classmethod
    def parse(cls, name: str) -> Bus:
        """Return the bus of a name; ``ValueError`` if there is none."""
        try:
            return cls(name)
        except ValueError:
            raise ValueError(f"bus {name!r} is unknown, supported are axi and wishbone") from None


def make_core(
    config: EngineConfig, bus: Bus, *, stream_bytes: int = 4, pipelined: bool = False
) -> AxiAccelerator | WishboneAccelerator:
    """Return the core of a bus; of the options ``stream_bytes`` is AXI's and ``pipelined`` Wishbone's."""
    if bus is Bus.AXI:
        return AxiAccelerator(config, stream_bytes)
    return WishboneAccelerator(config, pipelined=pipelined)


def emit_core(core: Component, name: str, header: Sequence[str] = ()) -> str:
    """Return a core as Verilog: one module a component, names kept, a comment on top.

    Parameters
    ----------
    core : Component
        What to emit.
    name : str
        Of the top module.
    header : sequence of str
        Lines of the comment.

    Raises
    ------
    RuntimeError
        If Yosys fails.
    """
    return write_verilog(core, name, header)

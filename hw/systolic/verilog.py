"""Writes an engine as readable Verilog."""

from __future__ import annotations

from collections.abc import Sequence

from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine
from hw.verilog import write_verilog

MODULE = "shiftforge_engine"
"""Name of the emitted top module."""


def emit_verilog(config: EngineConfig, header: Sequence[str] = (), init: Sequence[int] = ()) -> str:
    """Return the engine as Verilog: one module a component, names kept, a comment on top.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    header : sequence of str
        Lines of the comment.
    init : sequence of int
        Contents of main memory after configuration (block RAM only).

    Raises
    ------
    RuntimeError
        If Yosys fails.
    """
    return write_verilog(Engine(config, init), MODULE, header, zeros=bool(init))

"""Writes an engine as readable Verilog."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.back import verilog

from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine

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
    try:
        text = verilog.convert(Engine(config, init), name=MODULE, emit_src=False, strip_internal_attrs=True)
    except verilog.YosysError as error:
        reason = (str(error).strip() or "no output").splitlines()[-1]
        raise RuntimeError(f"Yosys, which writes the Verilog, failed: {reason[:300]}") from error
    # The converter's own first line names its version; ours says what the design is.
    body = text.split("\n", 1)[1] if text.startswith("/*") else text
    comment = "\n".join(f"// {line}".rstrip() for line in header)
    return f"{comment}\n{body}" if comment else body

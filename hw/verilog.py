"""Writes gateware as readable Verilog."""

from __future__ import annotations

import re
from collections.abc import Sequence

from amaranth.back import verilog
from amaranth.hdl import Elaboratable

_ZEROS = re.compile(r"^  initial begin\n(?:    \S+\[\d+\] = \d+'[hd]0+;\n)+  end\n", re.MULTILINE)


def write_verilog(gateware: Elaboratable, name: str, header: Sequence[str] = (), *, zeros: bool = False) -> str:
    """Return gateware as Verilog: one module a component, names kept, a comment on top.

    Unless ``zeros`` says so, a memory that holds nothing but zeros at first is left without contents. Nothing may
    read a word that it has not written before, since single-port RAM holds anything after power-up; and a line for
    every word of every memory made files of up to 25 MB, which took Verilator a minute and Yosys three to read.

    Parameters
    ----------
    gateware : Elaboratable
        What to write.
    name : str
        Of the top module.
    header : sequence of str
        Lines of the comment.
    zeros : bool
        Keep zeros in memories: what is stored in them, lane by lane, may be zeros.

    Raises
    ------
    RuntimeError
        If Yosys fails.
    """
    try:
        text: str = verilog.convert(gateware, name=name, emit_src=False, strip_internal_attrs=True)
    except verilog.YosysError as error:
        reason = (str(error).strip() or "no output").splitlines()[-1]
        raise RuntimeError(f"Yosys, which writes the Verilog, failed: {reason[:300]}") from error
    # The converter's own first line names its version; ours says what the design is.
    body = text.split("\n", 1)[1] if text.startswith("/*") else text
    body = body if zeros else _ZEROS.sub("", body)
    comment = "\n".join(f"// {line}".rstrip() for line in header)
    return f"{comment}\n{body}" if comment else body

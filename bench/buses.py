"""What a bus adds to the engine on an ECP5: tables, flip-flops, memories; ``make bench-buses``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bitstreams.toolchain import Toolchain
from hw.bus.core_verilog import Bus, emit_core, make_core
from hw.devices import ECP5_85
from hw.graph import load
from hw.systolic.search import choose_config
from hw.systolic.verilog import MODULE, emit_verilog

KINDS = {
    "tables": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
    "flip-flops": {"TRELLIS_FF": 1},
    "block RAMs": {"DP16KD": 1},
    "DSPs": {"MULT18X18D": 1, "ALU54B": 1},
}
"""What is counted: cells, and how many each one takes (a carry cell two tables, a distributed RAM four)."""


def count(verilog: str, top: str) -> dict[str, int]:
    """Return what Yosys makes of a design."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "top.v").write_text(verilog)
        script = f"read_verilog top.v; synth_ecp5 -nodsp -top {top}; tee -q -o cells.json stat -json"
        Toolchain().run("yosys", ["-q", "-p", script], work, "yosys.log")
        cells = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
    return {kind: sum(n * cells.get(cell, 0) for cell, n in parts.items()) for kind, parts in KINDS.items()}


def main() -> None:
    """Print the table."""
    config = choose_config([load("examples/digits.s3net")], ECP5_85)
    bare = count(emit_verilog(config), MODULE)
    print(f"ECP5, Yosys synth_ecp5, {config.rows} x {config.cols} cells for examples/digits.s3net, before placement")
    print(f"  {'':28}" + "".join(f"{kind:>14}" for kind in KINDS))
    print(f"  {'engine alone':28}" + "".join(f"{n:14,}" for n in bare.values()))
    for name, bus, options in (
        ("AXI, 32-bit stream", Bus.AXI, {}),
        ("AXI, 8-bit stream", Bus.AXI, {"stream_bytes": 1}),
        ("Wishbone, classic", Bus.WISHBONE, {}),
        ("Wishbone, pipelined", Bus.WISHBONE, {"pipelined": True}),
    ):
        whole = count(emit_core(make_core(config, bus, **options), bus.module), bus.module)
        print(f"  {name + ' adds':28}" + "".join(f"{whole[kind] - bare[kind]:+14,}" for kind in KINDS), flush=True)


if __name__ == "__main__":
    main()

"""Logic cells of one cell of an 8 x 8 array, accumulators counted; ``make bench-cell``."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from amaranth import Module
from amaranth.back import verilog
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitstreams.toolchain import Toolchain
from hw.graph import Alphabet
from hw.systolic.accumulator import SLOT, Accumulator
from hw.systolic.array import ShiftAddArray
from hw.systolic.config import EngineConfig, MemoryKind

CONFIG = EngineConfig(
    rows=8,
    cols=8,
    activation_bits=8,
    alphabet=Alphabet.s3(3),
    acc_width=18,
    scaled_width=32,
    output_shift=16,
    max_scale_shift=15,
    min_residual_shift=0,
    max_residual_shift=15,
    columns_per_requantizer=2,
    psum_depth=256,
    constant_depth=64,
    memory_words=16384,
    memory=MemoryKind.SPRAM,
    tile_rows=8,
    tile_cols=8,
    registered_ram=False,
)


class ArrayWithSums(wiring.Component):
    """The array and, below every column, its accumulator with the counters of its addresses."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "lanes": In(config.activation_bits).array(config.rows),
                "load": In(1),
                "begin": In(1),
                "slot": In(SLOT),
                "psums": Out(signed(config.acc_width)).array(config.cols),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = ShiftAddArray(self.config)
        m.submodules.accumulator = accumulator = Accumulator(self.config)
        m.d.comb += [array.load.eq(self.load), array.begin.eq(self.begin), accumulator.slot.eq(self.slot)]
        for r in range(self.config.rows):
            m.d.comb += array.lanes[r].eq(self.lanes[r])
        for c in range(self.config.cols):
            m.d.comb += [accumulator.sums[c].eq(array.sums[c]), self.psums[c].eq(accumulator.psums[c])]
        return m


def count_cells(family: str) -> int:
    """Return the logic cells (iCE40) or lookup tables with carry (ECP5) of the array, by the family's tools."""
    tools = Toolchain()
    config = CONFIG if family == "ice40" else replace(CONFIG, memory=MemoryKind.BLOCK, registered_ram=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        text = verilog.convert(ArrayWithSums(config), name="top", emit_src=False, strip_internal_attrs=True)
        (work / "top.v").write_text(text)
        synth = "synth_ice40 -device u" if family == "ice40" else "synth_ecp5"
        script = f"read_verilog top.v; {synth} -top top -json top.json; tee -q -o cells.json stat -json"
        tools.run("yosys", ["-q", "-p", script], work, "yosys.log")
        if family != "ice40":
            count = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
            return int(count.get("LUT4", 0)) + 2 * int(count.get("CCU2C", 0))
        output = tools.run(
            "nextpnr-ice40",
            ["--up5k", "--package", "sg48", "--pcf-allow-unconstrained", "--json", "top.json", "--pack-only"],
            work,
            "nextpnr.log",
        )
        both = [int(n) for n in re.findall(r"(\d+) LCs used as (?:LUT4 only|LUT4 and DFF|DFF only|CARRY only)", output)]
        return sum(both)


def main() -> None:
    """Print the table."""
    cells = CONFIG.rows * CONFIG.cols
    print("8 x 8 cells, 3-bit S3, 8-bit activations, 18-bit sums; weights, adders, accumulators counted")
    for family, unit in (("ice40", "logic cells"), ("ecp5", "lookup tables")):
        count = count_cells(family)
        print(f"  {family:6} {count:5} {unit}, {count / cells:.1f} a cell")


if __name__ == "__main__":
    main()

"""The project's own models of the chips' cells."""

import json
import re
import subprocess

import pytest
from amaranth import Elaboratable, Module, Signal
from amaranth.back import rtlil, verilog
from amaranth.lib.memory import Memory

from bitstreams.synthesis import synthesise
from bitstreams.toolchain import Toolchain
from hw.devices import ECP5_85, Family
from hw.memory.main_memory import NO_COLLISION
from sim.cells import cell_models
from sim.verilator import environment

SHAPES = ((512, 32, 8), (1024, 16, 8), (2048, 8, 8), (4096, 4, 4), (8192, 2, 2), (16384, 1, 1))
"""Depth, width and granularity of memories that fill one ECP5 block RAM each, in every width of its ports."""

BENCH = """
module bench;
    reg clk = 0;
    always #5 clk = ~clk;
    reg [13:0] waddr = 0, raddr = 1;
    reg [31:0] wdata = 0;
    reg [3:0] wmask = 0;
    integer clocks = 0, different = 0, changes = 0;
    wire [62:0] want, got;
    reg [62:0] last = 0;
    rtl rtl (.clk(clk), .rst(1'b0), .waddr(waddr), .raddr(raddr), .wdata(wdata), .wmask(wmask), .out(want));
    top net (.clk(clk), .rst(1'b0), .waddr(waddr), .raddr(raddr), .wdata(wdata), .wmask(wmask), .out(got));
    always @(negedge clk) begin
        // Few addresses, spread over all address bits, so that what was written is read.
        waddr <= $urandom & 14'h2493;
        raddr <= $urandom & 14'h2493;
        wdata <= $urandom;
        wmask <= $urandom;
        clocks <= clocks + 1;
        if (clocks == 20000) begin
            $display("changes %0d different %0d", changes, different);
            $finish;
        end
    end
    always @(posedge clk) begin
        if (want !== got) different <= different + 1;
        if (want !== last) changes <= changes + 1;
        last <= want;
    end
endmodule
"""


class Memories(Elaboratable):
    """One memory of each shape; all share address, data and mask. They are never read where they are written.

    With ``registered`` an answer comes through a register with an enable, which becomes the block RAM's own.
    """

    def __init__(self, registered):
        self.registered = registered
        self.waddr = Signal(14)
        self.raddr = Signal(14)
        self.wdata = Signal(32)
        self.wmask = Signal(4)
        self.out = Signal(sum(width for _, width, _ in SHAPES))

    def elaborate(self, platform):
        m = Module()
        at = 0
        for depth, width, granularity in SHAPES:
            memory = Memory(shape=width, depth=depth, init=[], attrs=NO_COLLISION)
            m.submodules[f"memory{depth}"] = memory
            read, write = memory.read_port(), memory.write_port(granularity=granularity)
            bits = (depth - 1).bit_length()
            answer = read.data
            if self.registered:
                answer = Signal(width, name=f"answer{depth}", reset_less=True)
                with m.If(self.wdata[0] | self.wdata[9]):
                    m.d.sync += answer.eq(read.data)
            m.d.comb += [
                read.addr.eq(self.raddr[:bits]),
                write.addr.eq(self.waddr[:bits]),
                write.data.eq(self.wdata),
                self.out[at : at + width].eq(answer),
            ]
            with m.If(self.waddr[:bits] != self.raddr[:bits]):
                m.d.comb += write.en.eq(self.wmask)
            at += width
        return m


def ports(memories):
    return [memories.waddr, memories.raddr, memories.wdata, memories.wmask, memories.out]


@pytest.mark.parametrize("registered", [False, True])
def test_the_block_ram_is_equal_to_amaranths_memory_in_every_width(registered, tmp_path):
    memories = Memories(registered)
    (tmp_path / "top.il").write_text(rtlil.convert(memories, ports=ports(memories)))
    memories = Memories(registered)
    (tmp_path / "rtl.v").write_text(verilog.convert(memories, name="rtl", ports=ports(memories), emit_src=False))
    synthesise(Toolchain(), ECP5_85, tmp_path)
    Toolchain().run("yosys", ["-q", "-p", "read_json top.json; write_verilog -noattr netlist.v"], tmp_path, "write.log")
    assert json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]["DP16KD"] == len(SHAPES)
    netlist = (tmp_path / "netlist.v").read_text()
    assert {int(w) for w in re.findall(r"DATA_WIDTH_B\(32'd(\d+)\)", netlist)} == {1, 2, 4, 9, 18, 36}
    assert netlist.count('REGMODE_B("OUTREG")') == registered * len(SHAPES)
    (tmp_path / "cells.v").write_text(cell_models(Family.ECP5))
    (tmp_path / "bench.v").write_text(BENCH)
    files = ["bench.v", "rtl.v", "netlist.v", "cells.v"]
    quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-MULTIDRIVEN"]
    # The wheel was configured without a compiler, so it does not know which standard has coroutines.
    quiet += ["-CFLAGS", "-std=c++20"]
    command = ["verilator", "--binary", "-O3", *quiet, "--top", "bench", "-o", "bench", *files]
    built = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    output = subprocess.run([tmp_path / "obj_dir" / "bench"], check=True, capture_output=True, text=True).stdout
    counts = re.search(r"changes (\d+) different (\d+)", output)
    assert counts and int(counts[1]) > 10_000 and int(counts[2]) == 0, output


def test_the_projects_models_take_the_place_of_yosys_own():
    for family in Family:
        names = re.findall(r"^module\s+(\w+)", cell_models(family), re.MULTILINE)
        assert len(names) == len(set(names)), family
        assert "SB_SPRAM256KA" not in names
    assert {"TRELLIS_FF", "LUT4", "DP16KD", "TRELLIS_COMB"} <= set(names)

"""A memory without contents is filled with a random number in a simulation: an engine cannot rely on zeros in it."""

import json

from sim.monitor import TOP
from sim.runner import compile_design, run_testbench

MEMORY = """\
module memory(input [1:0] address, input [31:0] data, input write, output [127:0] words);
    reg [31:0] held [3:0];
    always @(posedge write) held[address] <= data;
    assign words = {held[3], held[2], held[1], held[0]};
endmodule
"""
MONITOR = f"""\
module {TOP}(
    input [1:0] address, input [31:0] data, input write, output [127:0] words /*verilator public_flat_rd*/
);
    memory memory(.address(address), .data(data), .write(write), .words(words));
endmodule
"""


def test_a_memory_does_not_hold_zeros_at_first(tmp_path, simulations):
    simulation = compile_design(MEMORY, MONITOR, simulations)
    job = tmp_path / "job.json"
    run_testbench(simulation, "tests.sim.power_up_testbench", job, tmp_path / "trace")
    words = json.loads(job.read_text())
    # Verilator draws one number a memory.
    assert not {words >> 32 * i & 0xFFFFFFFF for i in range(4)} & {0, 0xFFFFFFFF}

"""The Verilog around the engine in simulation: writes every memory write to a file."""

from __future__ import annotations

from hw.systolic.config import EngineConfig
from hw.systolic.verilog import MODULE

TOP = "simulation"
"""Name of the top module."""


def monitor_verilog(config: EngineConfig) -> str:
    """Return a module with the engine's ports, which logs ``cluster address mask data`` of each write in hexadecimal.

    The file's name comes from the plus-argument ``trace``. Logging in Verilog keeps Python out of the clock loop.
    """
    # Only the ports are visible to Python; every other signal may be optimised away.
    public = "/*verilator public_flat_rw*/"
    a, word, rows = config.activation_bits, config.word_bits, config.rows
    traces = {"valid": 1, "address": 16, "mask": rows, "data": word}
    clusters = range(config.clusters)
    wires = "\n".join(
        f"    wire [{width - 1}:0] trace_{name}__{i};" for i in clusters for name, width in traces.items()
    )
    ports = ",\n".join(f"        .trace_{name}__{i}(trace_{name}__{i})" for i in clusters for name in traces)
    writes = "\n".join(
        f"        if (trace_valid__{i})\n"
        f'            $fwrite(file, "{i:x} %h %h %h\\n", trace_address__{i}, trace_mask__{i}, trace_data__{i});'
        for i in clusters
    )
    return f"""\
module {TOP} (
    input clk {public},
    input rst {public},
    input run {public},
    input [{a - 1}:0] image__payload {public},
    input image__valid {public},
    output image__ready {public},
    output [31:0] logits__value {public},
    output logits__last {public},
    output logits__valid {public},
    input logits__ready {public},
    output [15:0] klass__payload {public},
    output klass__valid {public},
    input klass__ready {public},
    output busy {public},
    output [2:0] error {public},
    output [31:0] cycles {public}
);
{wires}
    wire [32:0] logit;
    wire [35:0] status;
    assign logits__value = logit[31:0];
    assign logits__last = logit[32];
    assign busy = status[0];
    assign error = status[3:1];
    assign cycles = status[35:4];

    {MODULE} engine (
        .clk(clk), .rst(rst), .run(run),
        .image__payload(image__payload), .image__valid(image__valid), .image__ready(image__ready),
        .logits__payload(logit), .logits__valid(logits__valid), .logits__ready(logits__ready),
        .klass__payload(klass__payload), .klass__valid(klass__valid), .klass__ready(klass__ready),
        .status(status),
{ports}
    );

    integer file;
    reg [8191:0] name;
    initial begin
        file = 0;
        if ($value$plusargs("trace=%s", name)) file = $fopen(name, "w");
    end
    always @(posedge clk) if (file != 0) begin
{writes}
    end
    // The end of the inference is the end of an image's writes: the next image's padding may come soon. What was
    // written of it when the engine was stopped belongs to no image.
    reg was_busy, was_running;
    always @(posedge clk) begin
        was_busy <= busy && !rst;
        was_running <= run && !rst;
        if (was_busy && !busy && file != 0) begin $fwrite(file, "end\\n"); $fflush(file); end
        if (run && !was_running && file != 0) $fwrite(file, "start\\n");
    end
endmodule
"""

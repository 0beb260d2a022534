"""Co-simulation: cocotb on the emitted Verilog, compared by equality with the integer network."""

"""What the tests of the systolic components share."""

from collections.abc import Callable
from typing import Any

from amaranth.sim import Simulator

from hw.graph import Alphabet
from hw.systolic.config import EngineConfig, MemoryKind


def make_config(**changes: Any) -> EngineConfig:
    """Return a small engine that can do every random network."""
    fields: dict[str, Any] = {
        "rows": 8,
        "cols": 4,
        "activation_bits": 8,
        "alphabet": Alphabet.s3(4),
        "acc_width": 26,
        "scaled_width": 46,
        "output_shift": 16,
        "max_scale_shift": 24,
        "min_residual_shift": 0,
        "max_residual_shift": 24,
        "columns_per_requantizer": 1,
        "psum_depth": 32,
        "constant_depth": 64,
        "memory_words": 4096,
        "memory": MemoryKind.BLOCK,
    }
    return EngineConfig(**{**fields, **changes})


def simulate(dut: Any, testbench: Callable[[Any], Any]) -> None:
    """Run a testbench in Amaranth's simulator."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()

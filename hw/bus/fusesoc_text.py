"""The FuseSoC description of a core."""

from __future__ import annotations

import yaml

from hw.bus.core_verilog import Bus


def fusesoc_core(bus: Bus, version: str) -> str:
    """Return a ``.core`` file, CAPI version 2: the Verilog, the driver, and a target that lints with Verilator."""
    core = {
        "name": f"shiftforge:accelerators:{bus.module}:{version}",
        "description": f"shift-add neural network engine on {bus.value}",
        "filesets": {
            "rtl": {"files": [f"{bus.module}.v"], "file_type": "verilogSource"},
            "driver": {
                "files": [
                    {"shiftforge.c": {"file_type": "cSource"}},
                    *(
                        {name: {"file_type": "cSource", "is_include_file": True}}
                        for name in ("shiftforge.h", "shiftforge_registers.h", "shiftforge_network.h")
                    ),
                ]
            },
        },
        "targets": {
            "default": {"filesets": ["rtl"], "toplevel": bus.module},
            "lint": {
                "default_tool": "verilator",
                "filesets": ["rtl"],
                "toplevel": bus.module,
                "tools": {"verilator": {"mode": "lint-only", "verilator_options": ["-Wno-lint", "-Wno-style"]}},
            },
        },
    }
    return f"CAPI=2:\n{yaml.safe_dump(core, sort_keys=False)}"

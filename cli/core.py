"""``shiftforge core``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, answer, begin_answer, console, fails_clearly


@fails_clearly
def run(
    network: Annotated[Path | None, typer.Argument(help="a .s3net file; of --engine's build if it is left out")] = None,
    engine: Annotated[Path | None, typer.Option(help="take the engine of this build folder as it is")] = None,
    bus: Annotated[str, typer.Option(help="axi: AXI4-Lite and AXI4-Stream; or wishbone")] = "axi",
    out: Annotated[Path | None, typer.Option(help="the folder of the core")] = None,
    also: Annotated[list[Path] | None, typer.Option(help="another network that the engine must be able to run")] = None,
    board: Annotated[str, typer.Option(help="a board with the FPGA that the engine is for")] = "ulx3s_85f",
    stream_bits: Annotated[int, typer.Option(help="AXI: width of s_axis_tdata, 8 or 32")] = 32,
    pipelined: Annotated[bool, typer.Option("--pipelined", help="Wishbone: a pipelined port")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an engine with standard bus ports: Verilog, C driver, register map, program, FuseSoC and LiteX files.

    Example: shiftforge core examples/digits.s3net --bus axi --out core
    """
    begin_answer(as_json)
    from bitstreams.boards import board_by_name
    from hw.bus.core_folder import write_core
    from hw.bus.core_verilog import Bus
    from hw.graph import load
    from hw.systolic.build import open_build
    from hw.systolic.compiler import compile_network
    from hw.systolic.search import choose_config

    kind = Bus.parse(bus)
    if stream_bits not in (8, 32):
        raise ValueError(f"s_axis_tdata has 8 or 32 bits, got {stream_bits}")
    if network is None and engine is None:
        raise ValueError("give a network (a .s3net file) or --engine with a build folder")
    if engine is not None:
        if also:
            raise ValueError("--engine takes an engine as it is, without --also")
        build = open_build(engine)
        compiled = build.compiled if network is None else compile_network(load(network), build.compiled.config)
    else:
        assert network is not None
        graph = load(network)
        config = choose_config([graph, *(load(path) for path in also or ())], board_by_name(board).device)
        compiled = compile_network(graph, config)
    stem = network.stem if network is not None else engine.name if engine is not None else ""
    folder = out or Path("build") / f"{stem}-{kind.value}"
    core = write_core(compiled, kind, folder, stream_bytes=stream_bits // 8, pipelined=pipelined)
    console.print(
        f"{folder}/{kind.module}.v: a core on {kind.value}; program.bin: {core.program_bytes:,} bytes; an image has "
        f"{core.image_bytes:,}; {compiled.predicted_cycles:,} clocks an inference"
    )
    answer(
        as_json,
        folder=folder,
        module=kind.module,
        program_bytes=core.program_bytes,
        image_bytes=core.image_bytes,
        predicted_cycles=compiled.predicted_cycles,
    )
    console.print("next: docs/buses.md says how to connect it and how to call the driver, shiftforge.h")

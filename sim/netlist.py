"""The engine as the tools leave it: synthesised, and placed and routed, as Verilog for a simulation."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitstreams.board import Board
from bitstreams.boards import board_by_name
from bitstreams.design import board_design
from bitstreams.synthesis import synthesis_key, synthesise
from bitstreams.toolchain import Toolchain
from hw.devices import Family
from hw.systolic.build import Build
from hw.systolic.verilog import MODULE
from sim.cells import cell_models
from sim.placed import make_simulable, take_out_pll, watch_spram
from sim.verilator import SimulatorError

SPRAM = "engine.cluster0.memory"
"""Where a board's design has the SPRAMs of main memory."""


@dataclass(frozen=True)
class Netlist:
    """A netlist that can be simulated.

    Attributes
    ----------
    verilog : str
        The module, and the models of its cells.
    design : Path
        The netlist as the tools wrote it, JSON.
    what : str
        What it is, for the reader of a report.
    """

    verilog: str
    design: Path
    what: str


PACKAGE_PINS = {"iCE40HX8K": 206}
"""Pins of the boards' packages that an engine's ports can have."""


def synthesised_engine(build: Build, cache: Path, tools: Toolchain | None = None) -> Netlist:
    """Synthesise a build's Verilog with the board's script; ports and the traced writes stay.

    Parameters
    ----------
    build : Build
        The engine.
    cache : Path
        Netlists by digest of Verilog, script and tool version.
    tools : Toolchain or None
        The tools.
    """
    tools = tools or Toolchain()
    board = board_by_name(build.board)

    def make(work: Path) -> None:
        (work / "engine.v").write_text(build.verilog)
        read = f"read_verilog engine.v; hierarchy -top {MODULE}; proc; rename {MODULE} top; write_rtlil top.il"
        tools.run("yosys", ["-q", "-p", read], work, "read.log")
        synthesise(tools, board.device, work)
        tools.run("yosys", ["-q", "-p", "read_json top.json; write_verilog -noattr netlist.v"], work, "write.log")

    folder = _cached(cache, "netlist", [build.verilog, synthesis_key(board.device), tools.version("yosys")], make)
    text = (folder / "netlist.v").read_text().replace("module top(", f"module {MODULE}(")
    family = board.device.family
    return Netlist(text + cell_models(family), folder / "top.json", f"the engine, cells of the {board.device.name}")


def port_count(netlist: Netlist) -> int:
    """Return the bits of all ports of a synthesised netlist."""
    ports = json.loads(netlist.design.read_text())["modules"]["top"]["ports"]
    return sum(len(port["bits"]) for port in ports.values())


def routed_engine(build: Build, cache: Path, *, seed: int = 1, tools: Toolchain | None = None) -> Netlist:
    """Place and route an engine with all its ports: on an iCE40's pins, on an ECP5 without pads (out of context).

    Raises
    ------
    ToolError
        If the engine has more ports than the package has pins.
    """
    tools = tools or Toolchain()
    board = board_by_name(build.board)
    ice = board.device.family is Family.ICE40
    netlist = synthesised_engine(build, cache, tools)
    nextpnr = f"nextpnr-{board.device.family.value}"
    free = ("--pcf-allow-unconstrained",) if ice else ("--lpf-allow-unconstrained", "--out-of-context")
    options = [*board.nextpnr, *free, "--seed", str(seed), "--timing-allow-fail"]

    def make(work: Path) -> None:
        shutil.copyfile(netlist.design, work / "top.json")
        tools.run(nextpnr, ["-q", "--json", "top.json", "--write", "routed.json", *options], work, "nextpnr.log")

    key = [netlist.design.read_text(), str(options), tools.version(nextpnr)]
    folder = _cached(cache, "routed", key, make)
    text = _simulable(folder / "routed.json", board, tools, MODULE)
    where = "every port on a pin" if ice else "without pads"
    return Netlist(text, folder / "routed.json", f"the engine on the {board.device.name}, {where}, seed {seed}")


def routed_board(build: Build, cache: Path, *, seed: int = 1, tools: Toolchain | None = None) -> Netlist:
    """Place and route the whole board with a UP5K as for its bitstream, and bring the SPRAMs' pins out.

    The module is ``board``: inputs ``clk``, ``locked`` (in the PLL's place) and ``rx``, outputs ``tx`` and the SPRAMs'
    pins (:func:`~sim.placed.watch_spram`).
    """
    tools = tools or Toolchain()
    board = board_by_name(build.board)
    design = board_design(board, build.compiled.config)
    options = [*board.nextpnr, "--seed", str(seed), "--freq", str(1.25 * board.clock_mhz), "--timing-allow-fail"]

    def make(work: Path) -> None:
        (work / "top.il").write_text(design.rtlil)
        (work / design.pins_name).write_text(design.pins)
        synthesise(tools, board.device, work)
        files = ["--json", "top.json", "--pcf", design.pins_name, "--asc", "top.asc", "--write", "routed.json"]
        tools.run("nextpnr-ice40", ["-q", *files, *options], work, "nextpnr.log")

    versions = [tools.version(tool) for tool in ("yosys", "nextpnr-ice40")]
    folder = _cached(
        cache, "routed-board", [design.rtlil, design.pins, synthesis_key(board.device), str(options), *versions], make
    )
    text = _simulable(folder / "routed.json", board, tools, "board")
    return Netlist(
        text, folder / "routed.json", f"the bitstream's design, {board.title}, pads and PLL taken off, seed {seed}"
    )


def _simulable(routed: Path, board: Board, tools: Toolchain, name: str) -> str:
    """Return a placed design as Verilog with the models of its cells."""
    netlist = json.loads(routed.read_text())
    module = netlist["modules"]["top"]
    if name == "board":
        take_out_pll(module, "clk", "locked")
        watch_spram(module, SPRAM)
    make_simulable(module, board.device.family)
    if name == "board":
        ports = module["ports"]
        for port, pin in (("rx", "uart_0__rx__io"), ("tx", "uart_0__tx__io")):
            ports[port] = ports.pop(pin)
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        work = Path(folder)
        (work / "placed.json").write_text(json.dumps(netlist))
        convert = f"read_json placed.json; rename top {name}; write_verilog -noattr placed.v"
        tools.run("yosys", ["-q", "-p", convert], work, "yosys.log")
        return (work / "placed.v").read_text() + cell_models(board.device.family)


def _cached(cache: Path, kind: str, key: list[str], make: Callable[[Path], None]) -> Path:
    """Return the folder that ``make`` filled for this key."""
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:20]
    target = cache / f"{kind}-{digest}"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=cache))
    try:
        make(work)
        with contextlib.suppress(OSError):
            os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not target.exists():
        raise SimulatorError(f"{target} could not be written")
    return target

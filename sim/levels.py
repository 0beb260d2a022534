"""The equality chain: every form of the engine against the numpy reference of the network's file.

::

    PyTorch ── numpy ─┬─ Amaranth's simulator
                      ├─ emitted Verilog in Verilator
                      ├─ emitted Verilog in Icarus
                      ├─ synthesised netlist
                      └─ placed and routed netlist
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bitstreams.boards import board_by_name
from bitstreams.toolchain import Toolchain
from hw.systolic.build import Build
from sim.amaranth_simulation import run_amaranth
from sim.board_simulation import run_board
from sim.compare import Reference, compare
from sim.netlist import PACKAGE_PINS, port_count, routed_board, routed_engine, synthesised_engine
from sim.runner import ImageRun, compile_simulation, run_simulation
from sim.verilator import SimulatorError, simulator_version

CLOCKS = {"amaranth": 30_000, "icarus": 30_000, "netlist": 240_000, "routed": 60_000}
"""Clocks of inference that a slow level may take; at least one image is run in any case."""


class NotRunError(RuntimeError):
    """A level cannot be run here; the sentence says why."""


@dataclass(frozen=True)
class Level:
    """What a level compared.

    Attributes
    ----------
    level, network, board : str
        Name of the level, of the network and of the board.
    tools : str
        Who did it, with versions.
    images, values, differences : int
        Images, numbers compared (stored numbers, logits, classes), and those that differ, clocks of images included.
    first_difference : str
        The first difference in words, or "".
    seconds : float
        Time it took, the tools' included unless their result was kept.
    note : str
        What was compared; for a level that was not run, why.
    ran : bool
        Whether it was run at all.
    """

    level: str
    network: str
    board: str
    tools: str = ""
    images: int = 0
    values: int = 0
    differences: int = 0
    first_difference: str = ""
    seconds: float = 0.0
    note: str = ""
    ran: bool = True

    @property
    def ok(self) -> bool:
        """Whether it was run and found everything equal."""
        return self.ran and self.values > 0 and not self.differences and not self.first_difference

    def to_json(self) -> dict[str, Any]:
        """Return the level as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Chain:
    """What all levels share.

    Attributes
    ----------
    build : Build
        The engine and its program.
    images : uint8 (n, channels, height, width)
        Images; a slow level takes the first ones.
    reference : dict
        What the numpy reference stores for them.
    real : uint8 (m, channels, height, width)
        Images whose numbers PyTorch's integer reference stored.
    stored : dict or None
        Those numbers.
    cache : Path
        Compiled simulations and netlists.
    """

    build: Build
    images: np.ndarray
    reference: Reference
    real: np.ndarray
    stored: Reference | None
    cache: Path

    def images_for(self, level: str) -> np.ndarray:
        """Return as many images as the level has time for."""
        if level not in CLOCKS:
            return self.images
        return self.images[: max(1, CLOCKS[level] // self.build.compiled.predicted_cycles)]

    def level(self, name: str) -> Level:
        """Return an empty result."""
        return Level(name, self.build.compiled.network.name, self.build.board)

    def judge(self, level: Level, runs: Sequence[ImageRun]) -> Level:
        """Hold runs of the first images against the reference."""
        count = len(runs)
        try:
            found = compare(self.build.compiled, runs, {name: array[:count] for name, array in self.reference.items()})
        except ValueError as error:
            # Words too many or too few: which tensor they belong to cannot be told.
            return replace(level, images=count, differences=1, first_difference=str(error))
        late = [i for i, cycles in enumerate(found.cycles) if cycles != found.predicted_cycles]
        first = found.first_difference
        if late and not first:
            first = f"image {late[0]}: {found.cycles[late[0]]} clocks, predicted {found.predicted_cycles}"
        return replace(
            level,
            images=count,
            values=found.values,
            differences=found.differences + len(late),
            first_difference=first,
        )


EVERYTHING = "every stored number, logit, class and the clocks"


def numpy_level(chain: Chain) -> Level:
    """Hold PyTorch's integer reference against numpy."""
    if chain.stored is None:
        raise NotRunError("there is no reference.npz with PyTorch's numbers in the build folder")
    numbers = chain.build.compiled.network.run(chain.real)
    values, differences, first = 0, 0, ""
    for name, want in chain.stored.items():
        got = numbers.get(name)
        values += want.size
        if got is None or got.shape != want.shape:
            differences += want.size
            first = first or f"{name}: shape {None if got is None else got.shape}, PyTorch has {want.shape}"
            continue
        where = np.argwhere(got != want)
        differences += len(where)
        if len(where) and not first:
            at = tuple(int(v) for v in where[0])
            first = f"image {at[0]}, {name} at {at[1:]}: {int(got[at])}, PyTorch has {int(want[at])}"
    missing = {node.output for node in chain.build.compiled.network.nodes} - set(chain.stored)
    if missing and not first:
        first = f"PyTorch's numbers of {sorted(missing)[0]} are missing"
    return replace(
        chain.level("numpy"),
        tools=f"numpy {version('numpy')}, torch {version('torch')}",
        images=len(chain.real),
        values=values,
        differences=differences,
        first_difference=first,
        note="every stored number and logit of PyTorch's integer reference, real images",
    )


def amaranth_level(chain: Chain) -> Level:
    """Run the gateware in Amaranth's simulator."""
    level = replace(chain.level("amaranth"), tools=f"amaranth {version('amaranth')}", note=EVERYTHING)
    return chain.judge(level, run_amaranth(chain.build.compiled, chain.images_for("amaranth")))


def verilog_level(chain: Chain) -> Level:
    """Run the emitted Verilog in Verilator, with pauses on the streams."""
    level = replace(chain.level("verilog"), tools=_verilator(), note=EVERYTHING)
    return chain.judge(level, _simulate(chain, "verilog", chain.build.verilog))


def icarus_level(chain: Chain) -> Level:
    """Run the emitted Verilog in Icarus, a second simulator."""
    try:
        tools = f"icarus {simulator_version('icarus')}, cocotb {version('cocotb')}"
    except SimulatorError as error:
        raise NotRunError(str(error)) from None
    level = replace(chain.level("icarus"), tools=tools, note=f"{EVERYTHING}, in a simulator with unknown values")
    simulation = compile_simulation(chain.build.verilog, chain.build.compiled, chain.cache, simulator="icarus")
    return chain.judge(level, run_simulation(simulation, chain.build.compiled, chain.images_for("icarus")))


def netlist_level(chain: Chain) -> Level:
    """Run the synthesised netlist."""
    netlist = synthesised_engine(chain.build, chain.cache)
    level = replace(
        chain.level("netlist"),
        tools=f"yosys {Toolchain().version('yosys')}, {_verilator()}",
        note=f"{EVERYTHING}; {netlist.what}",
    )
    return chain.judge(level, _simulate(chain, "netlist", netlist.verilog))


def routed_level(chain: Chain) -> Level:
    """Run the placed and routed netlist: of a UP5K the whole board, else the engine with all its ports."""
    board = board_by_name(chain.build.board)
    whole = board.device.sprams > 0
    pins = PACKAGE_PINS.get(board.device.name)
    if not whole and pins is not None:
        ports = port_count(synthesised_engine(chain.build, chain.cache))
        if ports > pins:
            raise NotRunError(f"the engine has {ports} ports, the package of the {board.device.name} {pins} pins")
    netlist = (routed_board if whole else routed_engine)(chain.build, chain.cache)
    tools = Toolchain()
    nextpnr = f"nextpnr-{board.device.family.value}"
    level = replace(
        chain.level("routed"),
        tools=f"yosys {tools.version('yosys')}, {nextpnr} {tools.version(nextpnr)}, {_verilator()}",
        note=f"{EVERYTHING}; {netlist.what}",
    )
    if not whole:
        return chain.judge(level, _simulate(chain, "routed", netlist.verilog))
    runs = run_board(netlist, board, chain.build.compiled, chain.images_for("routed"), chain.cache)
    return chain.judge(level, runs)


LEVELS: dict[str, Callable[[Chain], Level]] = {
    "numpy": numpy_level,
    "amaranth": amaranth_level,
    "verilog": verilog_level,
    "icarus": icarus_level,
    "netlist": netlist_level,
    "routed": routed_level,
}
"""All levels, in the order of the chain."""


def run_level(chain: Chain, name: str) -> Level:
    """Run one level; one that cannot be run here says why and has compared nothing."""
    begin = time.monotonic()
    try:
        level = LEVELS[name](chain)
    except NotRunError as error:
        return replace(chain.level(name), note=str(error), ran=False)
    except SimulatorError as error:
        raise SimulatorError(f"level {name}: {error}") from error
    return replace(level, seconds=round(time.monotonic() - begin, 1))


def _simulate(chain: Chain, level: str, verilog: str) -> list[ImageRun]:
    simulation = compile_simulation(verilog, chain.build.compiled, chain.cache)
    return run_simulation(simulation, chain.build.compiled, chain.images_for(level))


def _verilator() -> str:
    return f"verilator {simulator_version('verilator')}, cocotb {version('cocotb')}"

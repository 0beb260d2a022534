"""A board's whole top level as a program: PLL, pads and flash are models, the host's cable is a pseudo-terminal."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from amaranth import Module, Signal
from amaranth.back import verilog
from amaranth.hdl import Elaboratable

from bitstreams.board import Board
from bitstreams.clocking import add_domain
from hw.bus.uart import half_bits
from sim.verilator import SimulatorError, environment, simulator_version

HARNESS = Path(__file__).with_suffix(".cpp")
MODELS = Path(__file__).parent / "models"
NAME = "simulated_board"
Link = Literal["uart", "spi"]


class Pins:
    """What a top level asks its platform for, as ports of the model."""

    def __init__(self) -> None:
        def inputs(*names: str) -> dict[str, Signal]:
            return {name: Signal(name=name) for name in names}

        self.clk, self.locked = Signal(name="clk"), Signal(name="locked")
        self.leds = Signal(2, name="leds")
        # Chip selects are active low at the pin, and active high behind it.
        self.flash_cs_n, self.spi_cs_n = Signal(name="flash_cs_n"), Signal(name="spi_cs_n")
        self.wires = {
            "uart": inputs("rx", "tx"),
            "spi_flash_1x": inputs("cs", "clk", "copi", "cipo"),
            "spi_link": inputs("cs", "clk", "copi", "cipo"),
        }
        self.resources = {("led", 0), ("led", 1)}
        for device, short in (("spi_flash_1x", "flash"), ("spi_link", "spi")):
            for pin, signal in self.wires[device].items():
                signal.name = f"{short}_{'sclk' if pin == 'clk' else pin}"

    @property
    def ports(self) -> list[Signal]:
        """The model's ports."""
        devices = [signal for wires in self.wires.values() for pin, signal in wires.items() if pin != "cs"]
        return [self.clk, self.locked, self.leds, self.flash_cs_n, self.spi_cs_n, *devices]

    def add_clock_constraint(self, clock: Signal, frequency: float) -> None:
        """Take no notice: there is no timing here."""

    def request(self, name: str, number: int = 0, **options: Any) -> Any:
        """Return the pins of a resource; ``SimulatorError`` if the model has none of this name."""
        if name == "led":
            return SimpleNamespace(o=self.leds[number])
        if name not in self.wires:
            raise SimulatorError(f"the simulated board has no {name}")
        return SimpleNamespace(**{pin: SimpleNamespace(i=wire, o=wire) for pin, wire in self.wires[name].items()})


@dataclass(frozen=True)
class SimulatedBoard(Board):
    """A board whose clock and lock come from the model's ports."""

    def add_clock(self, m: Module, platform: Any) -> tuple[Signal, Signal]:
        """Add the domain ``sync``; return the clock and the reset, high until the lock."""
        return platform.clk, add_domain(m, platform.clk, platform.locked)


def simulated(board: Board) -> SimulatedBoard:
    """Return a board with the model's clock."""
    return SimulatedBoard(**{field.name: getattr(board, field.name) for field in fields(board)})


class _Model(Elaboratable):
    """A top level between the model's ports."""

    def __init__(self, top: Elaboratable, pins: Pins) -> None:
        self.top = top
        self.pins = pins

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins = self.pins
        m.submodules.top = self.top.elaborate(pins)
        m.d.comb += [
            pins.flash_cs_n.eq(~pins.wires["spi_flash_1x"]["cs"]),
            pins.wires["spi_link"]["cs"].eq(~pins.spi_cs_n),
        ]
        return m


def board_verilog(top: Elaboratable) -> str:
    """Return a top level, made for a :func:`simulated` board, as Verilog."""
    pins = Pins()
    text: str = verilog.convert(_Model(top, pins), name=NAME, ports=pins.ports, emit_src=False)
    return text


def compile_board(top: Elaboratable, cache: Path) -> Path:
    """Compile a top level, made for a :func:`simulated` board, and the models around it; return the program.

    Parameters
    ----------
    top : Elaboratable
        A :class:`~bitstreams.top.Top`.
    cache : Path
        Folder of compiled simulations; the same input is compiled once.

    Raises
    ------
    SimulatorError
        If Verilator, g++ or make is missing, or fails.
    """
    env = environment()
    parts = [board_verilog(top), "".join(path.read_text() for path in sorted(MODELS.glob("*.v")))]
    key = "\0".join([*parts, HARNESS.read_text(), simulator_version("verilator")])
    target = cache / f"board-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    program = target / "made" / f"V{NAME}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".board-", dir=cache))
    try:
        (work / "board.v").write_text(parts[0])
        (work / "models.v").write_text(parts[1])
        command = [
            "verilator", "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "unique", "--x-initial", "unique",
            "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", NAME, "--Mdir", "made", "-MAKEFLAGS",
            "OPT_FAST=-O1", "-MAKEFLAGS", "OPT_GLOBAL=-O1", "board.v", "models.v", str(HARNESS.resolve()),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SimulatorError(f"verilator could not compile the board: {(done.stderr or done.stdout)[-300:]}")
        with contextlib.suppress(OSError):
            os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return program


def half_clocks(board: Board, link: Link) -> int:
    """Return the half clocks of a bit of a board's UART, or of half the fastest SPI clock."""
    return half_bits(round(board.clock_mhz * 1e6), board.baud) if link == "uart" else 6


@dataclass
class RunningBoard:
    """A simulated board that runs.

    Attributes
    ----------
    port : str
        The pseudo-terminal, as a host opens it.
    process : subprocess.Popen
        The simulation.
    """

    port: str
    process: subprocess.Popen[str]

    def stop(self) -> dict[str, int]:
        """End the simulation; return its ``clocks`` and ``bits_from_host``."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=30)
        figures: dict[str, int] = json.loads(output.strip().splitlines()[-1])
        return figures


@contextlib.contextmanager
def running_board(
    program: Path,
    *,
    half_clocks: int,
    link: Link = "uart",
    quiet: int = 1 << 26,
    seed: int = 1,
    flash: tuple[Path, int] | None = None,
) -> Iterator[RunningBoard]:
    """Run a compiled board until the end of the context.

    Parameters
    ----------
    program : Path
        From :func:`compile_board`.
    half_clocks : int
        Half clocks of a bit of the UART; half of an SPI's clock.
    link : "uart" or "spi"
        What the top level was made with.
    quiet : int
        Clocks after which a board that nobody speaks to stands still.
    seed : int
        For the registers' values before the reset.
    flash : (Path, int) or None
        Contents of the flash, and the address of their first byte.

    Raises
    ------
    SimulatorError
        If it does not start.
    """
    arguments = [str(program), str(half_clocks), link, str(quiet), str(seed)]
    if flash is not None:
        arguments += [str(flash[0]), str(flash[1])]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise SimulatorError("the simulated board did not start")
        yield RunningBoard(port, process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

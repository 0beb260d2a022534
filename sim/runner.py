"""Compiles an engine under Verilator and runs images through it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from cocotb_tools.runner import get_runner

from hw.systolic.compiler import CompiledNetwork
from sim.monitor import TOP, monitor_verilog
from sim.verilator import SimulatorError, environment, simulator_version

Waves = Literal["vcd", "fst"] | None
Simulator = Literal["verilator", "icarus"]

_MODELS = Path(__file__).parent / "models"
_VERILATOR = [
    "-O3", "--x-assign", "fast", "--x-initial", "unique", "--noassert",
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-MULTIDRIVEN",
    # Small functions and files: the compiler's time grows faster than their size.
    "--output-split-cfuncs", "500", "--output-split", "5000",
    # cocotb's runner makes every signal visible; the monitor names those that need to be.
    "--no-public-flat-rw",
]  # fmt: skip
_POWER_UP = ["+verilator+rand+reset+2", "+verilator+seed+1"]
"""What nothing has written yet is random: one number a memory."""


@dataclass(frozen=True)
class ImageRun:
    """What the hardware did with one image.

    Attributes
    ----------
    logits : list of int
        Logits in class order.
    klass : int
        The hardware's own argmax.
    cycles : int
        Clocks of the inference, by the engine's own counter.
    writes : list of (int, int, int)
        Memory writes: word address, lane mask, word.
    """

    logits: list[int]
    klass: int
    cycles: int
    writes: list[tuple[int, int, int]]


def pack_memory(compiled: CompiledNetwork) -> bytes:
    """Return the program in the order of the image stream while the engine is stopped: lane by lane."""
    return compiled.pack_program()


def compile_simulation(
    verilog: str, compiled: CompiledNetwork, cache: Path, *, waves: Waves = None, simulator: Simulator = "verilator"
) -> Path:
    """Compile an engine's Verilog into a simulation; the same input is compiled once.

    Parameters
    ----------
    verilog : str
        The emitted engine.
    compiled : CompiledNetwork
        For the configuration of the engine.
    cache : Path
        Folder of compiled simulations.
    waves : "vcd", "fst" or None
        Build with tracing (Verilator).
    simulator : "verilator" or "icarus"
        Who compiles it, and runs it later.

    Returns
    -------
    Path
        Folder of the compiled simulation.
    """
    return compile_design(verilog, monitor_verilog(compiled.config), cache, waves=waves, simulator=simulator)


def compile_design(
    verilog: str, monitor: str, cache: Path, *, waves: Waves = None, simulator: Simulator = "verilator"
) -> Path:
    """Compile a design below a monitor named :data:`~sim.monitor.TOP`; see :func:`compile_simulation`."""
    env = environment()
    if (
        waves == "fst"
        and subprocess.run(
            ["g++", "-E", "-include", "lz4.h", "-x", "c++", os.devnull], capture_output=True, check=False
        ).returncode
    ):
        raise SimulatorError("waves as fst need the header lz4.h (Debian: liblz4-dev); vcd needs nothing")
    models = "".join(path.read_text() for path in sorted(_MODELS.glob("*.v")))
    tools = f"{simulator_version(simulator)} {version('cocotb')} {sys.version}"
    parts = [verilog, monitor, models, tools, str(waves), *_VERILATOR]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    target = cache / f"simulation-{key}"
    if (target / "complete").exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".simulation-{key}-", dir=cache))
    try:
        (work / "engine.v").write_text(verilog)
        (work / "monitor.v").write_text(monitor)
        (work / "models.v").write_text(models)
        # As of SystemVerilog, Icarus gives variables their first value before it starts any `always @*`, which then
        # waits for ever where Yosys' Verilog expects the first value to wake it.
        args = _VERILATOR if simulator == "verilator" else ["-g2005"]
        args = [*args, "--trace-fst"] if waves == "fst" else args
        with _environment(env), _quiet(work / "build.log"):
            get_runner(simulator).build(
                sources=[work / "engine.v", work / "monitor.v", work / "models.v"],
                hdl_toplevel=TOP,
                build_dir=work,
                build_args=args,
                timescale=("1ns", "1ps"),
                waves=waves is not None,
                log_file=work / "verilator.log",
            )
        (work / "simulator").write_text(simulator)
        (work / "complete").touch()
        with contextlib.suppress(OSError):
            os.rename(work, target)
        return target
    except (SystemExit, RuntimeError) as error:
        raise SimulatorError(f"{simulator} could not compile the engine, see {_keep_log(work, cache)}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_simulation(
    simulation: Path,
    compiled: CompiledNetwork,
    images: np.ndarray,
    *,
    seed: int = 0,
    stall: float = 0.2,
    first_unstalled: bool = True,
    waves_file: Path | None = None,
    clock_limit: int | None = None,
) -> list[ImageRun]:
    """Run images (n, channels, height, width) through a compiled simulation.

    Parameters
    ----------
    simulation : Path
        From :func:`compile_simulation`.
    compiled : CompiledNetwork
        The program to load.
    images : uint8 array
        Stored numbers of the input tensor.
    seed, stall : int, float
        Random pauses of both streams: seed, and probability before each transfer.
    first_unstalled : bool
        The first image goes without pauses.
    waves_file : Path or None
        Where to put the waves of a simulation that was compiled with them.
    clock_limit : int or None
        Clocks after which an image is given up.

    Raises
    ------
    SimulatorError
        If the engine does not answer.
    """
    options = {"seed": seed, "stall": stall, "first_unstalled": first_unstalled}
    return run_programs(simulation, [(compiled, images)], options, waves_file=waves_file, clock_limit=clock_limit)[0]


def run_programs(
    simulation: Path,
    programs: Sequence[tuple[CompiledNetwork, np.ndarray]],
    options: dict[str, Any],
    *,
    waits: Sequence[int] = (),
    waves_file: Path | None = None,
    clock_limit: int | None = None,
) -> list[list[ImageRun]]:
    """Load one program after another into one engine and run its images; see :func:`run_simulation`.

    Parameters
    ----------
    programs : sequence of (CompiledNetwork, uint8 array)
        All compiled for the engine that is simulated.
    options : dict
        ``seed``, ``stall`` and ``first_unstalled``.
    waits : sequence of int
        Clocks between the last answer of the program before and the loading of each; none if it is empty.
    """
    clusters = programs[0][0].config.clusters
    jobs = []
    for index, (compiled, images) in enumerate(programs):
        # The clusters need an image each: the last one is repeated.
        padded = [*images, *(images[-1] for _ in range(-len(images) % clusters))]
        limit = clock_limit or clusters * (20 * compiled.predicted_cycles + 80 * images[0].size) + 100_000
        packed = [compiled.pack_image(image).hex() for image in padded]
        jobs.append(
            {
                "memory": pack_memory(compiled).hex(),
                "images": packed,
                "limit": limit,
                "wait": waits[index] if waits else 0,
            }
        )
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        work = Path(folder)
        job = work / "job.json"
        job.write_text(json.dumps({"programs": jobs, "clusters": clusters, **options}))
        trace = work / "trace.txt"
        run_testbench(simulation, "sim.testbench", job, trace, waves=waves_file is not None)
        if waves_file is not None:
            for produced in (*work.glob("dump.*"), *simulation.glob("dump.*")):
                waves_file.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(produced, waves_file)
        result = job.with_suffix(".result.json")
        if not result.exists():
            raise SimulatorError(f"the testbench failed: {log_tail(work / 'cocotb.log')}")
        answers: list[list[dict[str, Any]]] = json.loads(result.read_text())
        for part, program in zip(jobs, answers, strict=False):
            for i, answer in enumerate(program):
                if "timeout" in answer:
                    raise SimulatorError(
                        f"image {i} got no answer within {part['limit']} clocks "
                        f"(the engine's error code is {answer['error']})"
                    )
        traces = _read_trace(trace, clusters)
        runs = [[ImageRun(a["logits"], a["class"], a["cycles"], next(traces)) for a in program] for program in answers]
        return [run[: len(images)] for run, (_, images) in zip(runs, programs, strict=True)]


def run_testbench(simulation: Path, module: str, job: Path, trace: Path, *, waves: bool = False) -> None:
    """Run a cocotb testbench in the folder of its job, which it finds through ``SHIFTFORGE_JOB``.

    Raises
    ------
    SimulatorError
        If the simulator fails.
    """
    env = environment()
    env["SHIFTFORGE_JOB"] = str(job)
    env["COCOTB_LOG_LEVEL"] = "WARNING"
    work = job.parent
    with _environment(env), _quiet(work / "run.log"):
        try:
            get_runner((simulation / "simulator").read_text()).test(
                hdl_toplevel=TOP,
                hdl_toplevel_lang="verilog",
                test_module=module,
                build_dir=simulation,
                test_dir=work,
                plusargs=[f"+trace={trace}", *_POWER_UP],
                results_xml=str(work / "results.xml"),
                log_file=work / "cocotb.log",
                waves=waves,
                timescale=("1ns", "1ps"),
                extra_env={"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        except (SystemExit, RuntimeError) as error:
            raise SimulatorError(f"the simulation failed: {log_tail(work / 'cocotb.log')}") from error


def _read_trace(path: Path, clusters: int) -> Iterator[list[tuple[int, int, int]]]:
    """Yield every image's writes; the clusters work on an image each until a line says that they are done.

    What an engine wrote before it was started again was padding of an image that never came.
    """
    writes: list[list[tuple[int, int, int]]] = [[] for _ in range(clusters)]
    with path.open() as lines:
        for line in lines:
            if line.startswith("end"):
                yield from writes
                writes = [[] for _ in range(clusters)]
            elif line.startswith("start"):
                writes = [[] for _ in range(clusters)]
            else:
                cluster, address, mask, data = line.split()
                writes[int(cluster, 16)].append((int(address, 16), int(mask, 16), int(data, 16)))


@contextlib.contextmanager
def _environment(env: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[None]:
    with log.open("w") as stream, contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield


def log_tail(path: Path) -> str:
    """Return the last lines of a log."""
    if not path.exists():
        return "no log"
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-400:]


def _keep_log(work: Path, cache: Path) -> Path:
    log = cache / "verilator-failed.log"
    parts = [p.read_text(errors="replace") for p in (work / "verilator.log", work / "build.log") if p.exists()]
    log.write_text("\n".join(parts))
    return log

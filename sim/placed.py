"""Makes a netlist that nextpnr wrote fit for simulation: pins that were left open, constants in multiplexers, pads."""

from __future__ import annotations

from typing import Any

from hw.devices import Family
from sim.verilator import SimulatorError

Module = dict[str, Any]
"""A module of Yosys' JSON."""

_PULLED_UP = {
    # Clock enables of an iCE40 that nobody drives are on.
    "ICESTORM_LC": {"CEN"},
    "ICESTORM_RAM": {"WCLKE", "RCLKE"},
    # A constant 1 at a table or a block RAM is an open pin for nextpnr-ecp5.
    "TRELLIS_COMB": {"A", "B", "C", "D"},
    "TRELLIS_FF": {"CE"},
    "DP16KD": {"*"},
}


def tie_open_pins(module: Module) -> None:
    """Give every input that nobody drives the value that the chip pulls it to; the module is changed.

    An ECP5's ``...MUX`` parameters, which make an open pin a constant, are replaced by the constant. A flip-flop that
    takes its value past the table (``SD`` 0) gets it at ``DI``.

    Raises
    ------
    SimulatorError
        If a parameter inverts a pin that is driven: no model here does that.
    """
    for name, cell in module["cells"].items():
        pins, parameters = cell["connections"], cell["parameters"]
        pulled_up = _PULLED_UP.get(cell["type"], set())
        for pin, direction in cell["port_directions"].items():
            if direction == "input" and not pins.get(pin):
                pins[pin] = ["1" if pin in pulled_up or "*" in pulled_up else "0"]
        for parameter in [p for p in parameters if p.endswith("MUX") and p.removesuffix("MUX") in pins]:
            pin, value = parameter.removesuffix("MUX"), str(parameters[parameter]).strip()
            if value in ("0", "1"):
                pins[pin] = [value]
            elif value == "INV":
                if pins[pin][0] not in ("0", "1"):
                    raise SimulatorError(f"{name} inverts its pin {pin}, which the simulation of a placed design lacks")
                pins[pin] = ["0" if pins[pin][0] == "1" else "1"]
            elif value != pin:
                raise SimulatorError(f"{name} has the value {value} for {parameter}, which is unknown")
            elif cell["type"] == "TRELLIS_FF":
                # The flip-flop's model has the constant as its default.
                continue
            del parameters[parameter]
        if cell["type"] == "TRELLIS_FF" and str(parameters.pop("SD", "1")).strip() == "0":
            pins["DI"], cell["port_directions"]["DI"] = pins["M"], "input"


def take_off_pads(module: Module) -> None:
    """Remove the iCE40's pads: every port is then what is behind its pad; the module is changed.

    Raises
    ------
    SimulatorError
        If a pad is more than an input or an output without register.
    """
    inside: dict[int, tuple[str, int | str]] = {}
    for name in [n for n, cell in module["cells"].items() if cell["type"] == "SB_IO"]:
        pad = module["cells"].pop(name)
        pins, kind = pad["connections"], str(pad["parameters"]["PIN_TYPE"])[-6:]
        output, source = kind[:4], kind[4:]
        if output in ("0110", "1010"):
            inside[pins["PACKAGE_PIN"][0]] = ("output", pins["D_OUT_0"][0])
        elif output == "0000" and source == "01":
            if pins.get("D_IN_0"):
                inside[pins["PACKAGE_PIN"][0]] = ("input", pins["D_IN_0"][0])
        else:
            raise SimulatorError(f"the pad {name} has the type {kind}, which the simulation of a placed design lacks")
    for port in module["ports"].values():
        behind = [inside[bit] for bit in port["bits"] if bit in inside]
        if behind:
            port["bits"] = [inside[bit][1] if bit in inside else bit for bit in port["bits"]]
            port["direction"] = behind[0][0]


def take_out_pll(module: Module, clock: str, locked: str) -> None:
    """Remove an iCE40's PLL: its clock and its lock become inputs of the design; the module is changed."""
    plls = [name for name, cell in module["cells"].items() if cell["type"] == "ICESTORM_PLL"]
    # The PLL drives a global net without a wire that nextpnr would name.
    buffers = [
        name
        for name, cell in module["cells"].items()
        if cell["type"] == "SB_GB" and not cell["connections"].get("USER_SIGNAL_TO_GLOBAL_BUFFER")
    ]
    if len(plls) != 1 or len(buffers) != 1:
        raise SimulatorError(f"the design has {len(plls)} PLLs and {len(buffers)} global nets of them, expected one")
    pll, buffer = (module["cells"].pop(name) for name in (plls[0], buffers[0]))
    ports = module["ports"]
    ports[clock] = {"direction": "input", "bits": buffer["connections"]["GLOBAL_BUFFER_OUTPUT"]}
    ports[locked] = {"direction": "input", "bits": pll["connections"]["LOCK"]}


def watch_spram(module: Module, prefix: str) -> None:
    """Bring out the pins of the four SPRAMs of main memory; the module is changed.

    New outputs: ``spram_write``, ``spram_address`` (14), ``spram_data`` (64), ``spram_mask`` (16, a bit for 4 bits).

    Parameters
    ----------
    prefix : str
        Name of the memory in the design, e.g. ``engine.cluster0.memory``.
    """
    rams = [module["cells"].get(f"{prefix}.spram{i}_RAM") for i in range(4)]
    if not all(rams):
        raise SimulatorError(f"the design has no SPRAMs named {prefix}.spram0 to 3")
    pins = [ram["connections"] for ram in rams if ram]

    def bits(name: str, count: int, parts: list[dict[str, list[int]]]) -> list[int]:
        return [part[f"{name}_{i}"][0] for part in parts for i in range(count)]

    outputs = {
        "spram_write": pins[0]["WREN"],
        "spram_address": bits("ADDRESS", 14, pins[:1]),
        "spram_data": bits("DATAIN", 16, pins),
        "spram_mask": bits("MASKWREN", 4, pins),
    }
    together = ["WREN", *(f"ADDRESS_{i}" for i in range(14))]
    if any(part[pin] != pins[0][pin] for part in pins for pin in together):
        raise SimulatorError("the SPRAMs of main memory are not written together")
    for name, found in outputs.items():
        module["ports"][name] = {"direction": "output", "bits": found}


def make_simulable(module: Module, family: Family) -> None:
    """Do what every placed netlist needs: no pads, no open inputs; the module is changed."""
    if family is Family.ICE40:
        take_off_pads(module)
    tie_open_pins(module)

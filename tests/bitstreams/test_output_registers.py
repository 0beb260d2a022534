"""Which flip-flops behind a block RAM become its output register."""

import copy

import pytest

from bitstreams.output_registers import use_output_registers


def flip_flop(d, q, enable=None, **parameters):
    connections = {"CLK": [2], "DI": [d], "LSR": ["0"], "Q": [q], **({"CE": [enable]} if enable else {})}
    directions = {pin: "output" if pin == "Q" else "input" for pin in connections}
    parameters = {"CEMUX": "CE" if enable else "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET", **parameters}
    return {"type": "TRELLIS_FF", "parameters": parameters, "connections": connections, "port_directions": directions}


def design(width="00000000000000000000000000010010", enable=None):
    """A block RAM whose port B has three outputs in use, and a flip-flop behind each."""
    connections = {"CLKA": [2], "CLKB": [2], "OCEB": ["1"], "RSTB": ["0"]}
    connections |= {f"DO{side}{i}": [100 + i + 18 * (side == "B")] for side in "AB" for i in range(18)}
    directions = {pin: "output" if pin.startswith("DO") else "input" for pin in connections}
    parameters = {"DATA_WIDTH_A": width, "DATA_WIDTH_B": width, "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"}
    ram = {"type": "DP16KD", "parameters": parameters, "connections": connections, "port_directions": directions}
    cells = {"ram": ram, **{f"q{i}": flip_flop(118 + i, 200 + i, enable) for i in range(3)}}
    return {"cells": cells, "ports": {"q": {"direction": "output", "bits": [200, 201, 202]}}}


def test_flip_flops_of_a_port_become_its_register():
    module = design()
    assert use_output_registers(module) == 3
    assert set(module["cells"]) == {"ram"}
    ram = module["cells"]["ram"]
    assert [ram["connections"][f"DOB{i}"] for i in range(4)] == [[200], [201], [202], [121]]
    assert ram["parameters"]["REGMODE_B"] == "OUTREG" and ram["parameters"]["REGMODE_A"] == "NOREG"
    assert ram["connections"]["OCEB"] == ["1"] and "OCEA" not in ram["connections"]


def test_their_enable_is_the_registers():
    module = design(enable=7)
    assert use_output_registers(module) == 3
    assert module["cells"]["ram"]["connections"]["OCEB"] == [7]


def test_a_wide_port_has_both_sides():
    module = design("00000000000000000000000000100100")
    module["cells"]["low"] = flip_flop(100, 300)
    module["ports"]["q"]["bits"].append(300)
    assert use_output_registers(module) == 4
    ram = module["cells"]["ram"]
    assert ram["connections"]["DOA0"] == [300] and ram["connections"]["OCEA"] == ram["connections"]["OCEB"] == ["1"]
    assert ram["parameters"]["REGMODE_A"] == ram["parameters"]["REGMODE_B"] == "OUTREG"


def second_user(module):
    module["ports"]["q"]["bits"].append(119)


def other_logic(module):
    module["cells"]["q1"]["type"] = "LUT4"


def reset(module):
    module["cells"]["q2"]["connections"]["LSR"] = [9]


def set_at_first(module):
    module["cells"]["q2"]["parameters"]["REGSET"] = "SET"


def other_clock(module):
    module["cells"]["q0"]["connections"]["CLK"] = [3]


def other_edge(module):
    module["cells"]["q0"]["parameters"]["CLKMUX"] = "INV"


def other_enable(module):
    module["cells"]["q0"] = flip_flop(118, 200, 8)


@pytest.mark.parametrize(
    "change", [second_user, other_logic, reset, set_at_first, other_clock, other_edge, other_enable]
)
def test_a_port_stays_as_it_is_when_one_of_its_bits_cannot_move(change):
    module = design()
    change(module)
    before = copy.deepcopy(module)
    assert use_output_registers(module) == 0 and module == before

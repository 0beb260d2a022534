"""What is done to a placed netlist before it is simulated."""

import pytest

from hw.devices import Family
from sim.placed import make_simulable, take_off_pads, take_out_pll, tie_open_pins
from sim.verilator import SimulatorError


def cell(kind, parameters=None, **pins):
    directions = {name: "output" if name in ("O", "Q", "F", "D_IN_0") else "input" for name in pins}
    return {"type": kind, "parameters": dict(parameters or {}), "connections": pins, "port_directions": directions}


def module(ports=None, **cells):
    return {"cells": cells, "ports": ports or {}}


def test_an_open_pin_gets_what_the_chip_pulls_it_to():
    placed = module(
        a=cell("ICESTORM_LC", I0=[], CEN=[], SR=[], I1=[7], O=[]),
        b=cell("TRELLIS_COMB", A=[], M=[], F=[3]),
    )
    tie_open_pins(placed)
    assert placed["cells"]["a"]["connections"] == {"I0": ["0"], "CEN": ["1"], "SR": ["0"], "I1": [7], "O": []}
    assert placed["cells"]["b"]["connections"] == {"A": ["1"], "M": ["0"], "F": [3]}


def test_constants_in_multiplexers_become_constants():
    muxes = {"CSA0MUX": "INV", "ADA4MUX": "0 ", "CEAMUX": "CEA", "OCEAMUX": "1 ", "DATA_WIDTH_A": 36}
    placed = module(a=cell("DP16KD", muxes, CSA0=[], ADA4=[], CEA=[], OCEA=[5]))
    tie_open_pins(placed)
    assert placed["cells"]["a"]["connections"] == {"CSA0": ["0"], "ADA4": ["0"], "CEA": ["1"], "OCEA": ["1"]}
    assert placed["cells"]["a"]["parameters"] == {"DATA_WIDTH_A": 36}


def test_an_inverted_pin_that_is_driven_is_refused():
    with pytest.raises(SimulatorError, match="a inverts its pin CLKA"):
        tie_open_pins(module(a=cell("DP16KD", {"CLKAMUX": "INV"}, CLKA=[4])))


def test_a_flip_flop_past_the_table_takes_its_value_from_m():
    placed = module(
        a=cell("TRELLIS_FF", {"SD": "0 ", "CEMUX": "CE"}, M=[4], CE=[6], Q=[5]),
        b=cell("TRELLIS_FF", {"SD": "1 "}, DI=[4], Q=[5]),
    )
    tie_open_pins(placed)
    assert placed["cells"]["a"]["connections"]["DI"] == [4]
    assert placed["cells"]["a"]["port_directions"]["DI"] == "input"
    # Without it the model would be enabled always.
    assert placed["cells"]["a"]["parameters"] == {"CEMUX": "CE"}
    assert placed["cells"]["b"]["connections"]["DI"] == [4]


def pads():
    return {
        "in": cell("SB_IO", {"PIN_TYPE": "000001"}, PACKAGE_PIN=[1], D_IN_0=[11], D_OUT_0=[]),
        "out": cell("SB_IO", {"PIN_TYPE": "0" * 26 + "011001"}, PACKAGE_PIN=[2], D_IN_0=[], D_OUT_0=[12]),
    }


def test_pads_are_taken_off():
    ports = {"a": {"direction": "inout", "bits": [1]}, "q": {"direction": "inout", "bits": [2]}}
    placed = module(ports, **pads())
    make_simulable(placed, Family.ICE40)
    assert not placed["cells"]
    assert placed["ports"] == {"a": {"direction": "input", "bits": [11]}, "q": {"direction": "output", "bits": [12]}}


def test_a_pad_with_a_register_is_refused():
    cells = {"in": cell("SB_IO", {"PIN_TYPE": "000000"}, PACKAGE_PIN=[1], D_IN_0=[11])}
    with pytest.raises(SimulatorError, match="the pad in has the type 000000"):
        take_off_pads(module({}, **cells))


def test_the_plls_clock_and_lock_become_inputs():
    placed = module(
        pll=cell("ICESTORM_PLL", LOCK=[8]),
        net=cell("SB_GB", GLOBAL_BUFFER_OUTPUT=[9], USER_SIGNAL_TO_GLOBAL_BUFFER=[]),
        other=cell("SB_GB", GLOBAL_BUFFER_OUTPUT=[3], USER_SIGNAL_TO_GLOBAL_BUFFER=[2]),
    )
    take_out_pll(placed, "clk", "locked")
    assert set(placed["cells"]) == {"other"}
    assert placed["ports"] == {
        "clk": {"direction": "input", "bits": [9]},
        "locked": {"direction": "input", "bits": [8]},
    }
    with pytest.raises(SimulatorError, match="0 PLLs"):
        take_out_pll(placed, "clk", "locked")

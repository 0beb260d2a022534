"""Predicted sizes against those of the designs that were built, and the fit that makes the predictions."""

import json
import statistics
from collections import defaultdict
from dataclasses import replace

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil
from amaranth.lib.memory import Memory

from bench import prediction
from bitstreams.boards import board_by_name
from bitstreams.synthesis import synthesis_script
from bitstreams.toolchain import Toolchain
from hw.devices import ECP5_85, HX8K, UP5K, Family
from hw.graph import load
from hw.memory.main_memory import NO_COLLISION
from hw.systolic.area import UNCERTAINTY, count_parts, estimate_area, small_rams
from hw.systolic.compiler import CompileError
from hw.systolic.config import EngineConfig
from hw.systolic.search import choose_config

DIGITS = "examples/digits.s3net"
MLP = "examples/digits-mlp.s3net"
SWEEP = json.loads(prediction.SWEEP.read_text())
HELD_OUT = json.loads(prediction.RESULTS.read_text())


FEWER = {"ulx3s_85f resnet8_aps 3x16x16 s3-3 a4 16x8 q2": 2}
"""Block RAMs less than predicted: Yosys finds that some lanes of 4 bits are always written together."""


@pytest.mark.parametrize("family", list(Family))
def test_every_design_of_the_sweep_is_predicted(family):
    rows = [row for row in SWEEP if row["family"] == family.value]
    assert len(rows) >= 40
    for row in rows:
        area = estimate_area(EngineConfig.from_json(row["config"]), board_by_name(row["board"]).device)
        assert area.block_rams - FEWER.get(row["design"], 0) == row["brams_placed"], row["design"]
        assert abs(area.luts - row["luts_placed"]) <= UNCERTAINTY[family] * row["luts_placed"], row["design"]


def test_designs_that_are_held_out_are_near_and_their_clocks_exact():
    errors = defaultdict(list)
    placed = {row["design"]: row for row in SWEEP}
    for row in HELD_OUT:
        built = placed[row["design"]]
        device = board_by_name(built["board"]).device
        assert built["held_out"] and row["luts_placed"] == built["luts_placed"]
        assert row["luts_predicted"] == estimate_area(EngineConfig.from_json(built["config"]), device).luts
        assert row["brams_predicted"] == row["brams_placed"]
        assert row["cycles_predicted"] == row["cycles_simulated"]
        errors[row["family"]].append(abs(row["luts_predicted"] / row["luts_placed"] - 1))
    assert set(errors) == {family.value for family in Family}
    for family, found in errors.items():
        assert len(found) >= 10 and statistics.median(found) <= 0.04 and max(found) <= 0.08, (family, sorted(found))


def test_a_fit_finds_the_costs_that_made_the_sizes():
    costs = {"board": 1500.0, "products": 2.0, "scale": 1.0, "sums": 3.0}
    rows = [row for row in SWEEP if row["family"] == "ice40"]
    made = [{**row, "luts_placed": prediction.predict(row, costs)} for row in rows]
    fitted = prediction.fit(made)
    assert max(abs(prediction.predict(row, fitted) / row["luts_placed"] - 1) for row in made) < 0.005


@pytest.mark.parametrize(
    ("depth", "width"), [(320, 4), (336, 4), (48, 31), (48, 64), (64, 42), (64, 22), (64, 18), (112, 12)]
)
def test_a_small_memory_is_made_of_what_yosys_makes_it(depth, width, tmp_path):
    m = Module()
    m.submodules.memory = memory = Memory(shape=width, depth=depth, init=[], attrs=NO_COLLISION)
    write, read = memory.write_port(), memory.read_port()
    ports = [
        Signal.like(value, name=f"port{i}") for i, value in enumerate((write.addr, write.data, write.en, read.addr))
    ]
    out = Signal(width)
    m.d.comb += [
        value.eq(port) for value, port in zip((write.addr, write.data, write.en, read.addr), ports, strict=True)
    ]
    m.d.comb += out.eq(read.data)
    (tmp_path / "top.il").write_text(rtlil.convert(m, ports=[*ports, out], name="top"))
    script = synthesis_script(ECP5_85).split("synth_ecp5")[0] + (
        "synth_ecp5 -nodsp -top top -run begin:map_gates; select top; write_rtlil -selected mapped.il"
    )
    Toolchain().run("yosys", ["-q", "-p", script], tmp_path, "yosys.log")
    mapped = (tmp_path / "mapped.il").read_text()
    found = mapped.count("cell \\TRELLIS_DPR16X4"), mapped.count("cell \\DP16KD")
    small = small_rams(Family.ECP5, depth, width)
    assert found[0] == small and (found[1] > 0) == (small == 0)


def test_clusters_cost_the_same_each():
    config = choose_config([load(DIGITS)], ECP5_85)
    one, two, three = (estimate_area(replace(config, clusters=n), ECP5_85).luts for n in (1, 2, 3))
    assert two - one == pytest.approx(three - two, abs=1) and two - one > 1000
    parts = [count_parts(replace(config, clusters=n), Family.ECP5) for n in (1, 3)]
    assert parts[0]["board"] == parts[1]["board"] and parts[1]["products"] == 3 * parts[0]["products"]


@pytest.mark.parametrize(
    ("network", "device", "luts", "block_rams"),
    [(MLP, HX8K, 2974, 32), (DIGITS, UP5K, 4887, 28), (DIGITS, ECP5_85, 6533, 26)],
)
def test_a_board_is_predicted_as_it_was_placed(network, device, luts, block_rams):
    area = estimate_area(choose_config([load(network)], device), device)
    assert abs(area.luts - luts) <= UNCERTAINTY[device.family] * luts and area.block_rams == block_rams


def test_an_engine_with_more_block_rams_than_the_device_is_refused_with_the_numbers():
    message = (
        r"need 58 block RAMs \(2560 memory words of 64 bits\), iCE40HX8K has 32; most maps are alive at layer "
        r"'block1_conv1_block', with 256 words$"
    )
    with pytest.raises(CompileError, match=message):
        choose_config([load(DIGITS)], HX8K)

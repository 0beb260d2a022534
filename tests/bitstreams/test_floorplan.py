import json

import pytest

from bitstreams.floorplan import LINK, OTHER, PARTS, count_parts, part_of, read_floorplan

CELLS = {
    "engine.cluster0.array.sum_SB_LUT4_O_LC": ("ICESTORM_LC", "X1/Y2/lc0"),
    "engine.cluster0.array.sum_SB_LUT4_O_1_LC": ("ICESTORM_LC", "X1/Y2/lc1"),
    "engine.sequencer.state_SB_LUT4_O_LC": ("ICESTORM_LC", "X1/Y2/lc2"),
    "engine.sequencer.state_SB_LUT4_O_1_LC": ("ICESTORM_LC", "X3/Y4/lc7"),
    "$nextpnr_ICESTORM_LC_0": ("ICESTORM_LC", "X3/Y5/lc0"),
    "engine.cluster0.memory.0.0": ("ICESTORM_RAM", "X6/Y7/ram"),
    "rx_pin": ("SB_IO", "X0/Y9/io0"),
}


def placed(folder, cells):
    content = {name: {"type": kind, "attributes": {"NEXTPNR_BEL": bel}} for name, (kind, bel) in cells.items()}
    content["not placed"] = {"type": "ICESTORM_LC", "attributes": {}}
    (folder / "placed.json").write_text(json.dumps({"modules": {"top": {"cells": content}}}))
    return folder / "placed.json"


def test_a_tile_belongs_to_the_part_with_most_of_its_tables(tmp_path):
    plan = read_floorplan(placed(tmp_path, CELLS))
    assert plan["tiles"] == [
        [1, 2, "array", 3],
        [3, 4, "sequencer and streams", 1],
        [3, 5, OTHER, 1],
    ]
    assert plan["memories"] == [[6, 7]] and plan["y_up"]
    assert list(plan["parts"]) == list(PARTS)
    assert {part: count for part, count in plan["parts"].items() if count} == {
        "array": 2,
        "sequencer and streams": 2,
        OTHER: 1,
    }


def test_parts_are_counted_before_anything_is_placed(tmp_path):
    counts = count_parts(placed(tmp_path, CELLS))
    assert list(counts) == list(PARTS)
    assert (counts["array"], counts["sequencer and streams"], counts[OTHER], counts[LINK]) == (2, 2, 2, 0)


def test_an_ecp5_counts_from_the_top(tmp_path):
    cells = {"link.link.a_LUT4_Z": ("TRELLIS_COMB", "X10/Y30/SLICEA.COMB1"), "a": ("DP16KD", "X4/Y25/EBR0")}
    cells["link.link.a_FF"] = ("TRELLIS_FF", "X11/Y30/SLICEA.FF1")
    plan = read_floorplan(placed(tmp_path, cells))
    assert plan["tiles"] == [[10, 30, "link and boot", 1]] and plan["memories"] == [[4, 25]] and not plan["y_up"]


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("engine.cluster3.accumulator7.sum", "partial sums"),
        ("engine.cluster0.output_stage.requantizer1.a", "requantisers"),
        ("engine.output_constants.factors0", "requantisers"),
        ("engine.cluster1.operand_fetch.x", "memory and operand fetch"),
        ("receiver.clocks", "link and boot"),
        ("engineer.x", OTHER),
    ],
)
def test_a_name_tells_the_part(cell, part):
    assert part_of(cell) == part

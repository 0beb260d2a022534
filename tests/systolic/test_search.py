import re
from dataclasses import replace

import pytest

from bitstreams.boards import BOARDS
from hw.devices import ECP5_25, ECP5_85, HX8K, UP5K, Family
from hw.graph import Alphabet, load
from hw.systolic.area import estimate_area
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import FULL, choose_config, most_full, search
from hw.systolic.shape import base_config, fit_memory, fit_widths
from planner.network_check import check_network
from planner.verdict import Answer

DIGITS = "examples/digits.s3net"
MLP = "examples/digits-mlp.s3net"


@pytest.mark.parametrize(("network", "device"), [(DIGITS, ECP5_25), (DIGITS, UP5K), (MLP, HX8K)])
def test_the_fastest_engine_fits_and_is_not_slower_than_the_small_one(network, device):
    network = load(network)
    everything = search([network], device)
    found = [candidate for candidate in everything if not candidate.close]
    assert everything[: len(found)] == found
    for some in (found, everything[len(found) :]):
        speeds = [candidate.images_per_clock for candidate in some]
        assert speeds == sorted(speeds, reverse=True)
    for candidate in everything:
        assert candidate.area.fits(device, most_full(device.family))
        assert candidate.close == (candidate.warning(device) != "")
    for candidate in found:
        assert candidate.area.fits(device, FULL[device.family])
        assert compile_network(network, candidate.config).predicted_cycles == candidate.cycles
    small = compile_network(network, choose_config([network], device))
    assert found[0].images_per_clock >= 1 / small.predicted_cycles


def test_what_is_pinned_stays():
    found = search([load(DIGITS)], ECP5_85, rows=8, cols=8, clusters=3)
    assert {(c.config.rows, c.config.cols, c.config.clusters) for c in found} == {(8, 8, 3)}


def test_more_clusters_than_fit_are_refused_with_the_numbers():
    with pytest.raises(
        CompileError, match=r"16 x 16 cells, 9 times, with \d+ requantisers? and takes about [\d,]+ of 24,288 "
    ):
        search([load(DIGITS)], ECP5_25, rows=16, cols=16, clusters=9)


@pytest.mark.parametrize(
    ("name", "device", "pins", "numbers"),
    [
        ("resnet8-a4", UP5K, {"rows": 16, "cols": 8, "columns_per_requantizer": 4}, "of 5,280 .* than the 5,121 "),
        (
            "resnet8",
            ECP5_85,
            {"rows": 16, "cols": 16, "columns_per_requantizer": 1, "clusters": 4},
            r"of 83,640 .* than the 66,912 \(80%\)",
        ),
    ],
)
def test_a_pinned_engine_that_is_close_to_the_limit_is_made_with_a_warning(name, device, pins, numbers):
    found = search([load(f"examples/{name}.s3net")], device, **pins)
    assert len(found) == 1 and found[0].close
    warning = found[0].warning(device)
    assert f"about {found[0].area.luts:,} " in warning and re.search(numbers, warning), warning
    assert "it may not fit, or end at a slower clock" in warning


def test_an_engine_is_close_up_to_what_predictions_may_be_off():
    network, pins = load(DIGITS), {"rows": 8, "cols": 8, "columns_per_requantizer": 4}
    (found,) = search([network], UP5K, **pins)
    assert not found.close
    for share, close in ((FULL[UP5K.family], False), (1.0, True), (most_full(UP5K.family), True)):
        device = replace(UP5K, luts=round(found.area.luts / share) + 1)
        assert [c.close for c in search([network], device, **pins)] == [close]
    with pytest.raises(CompileError, match=r"takes about [\d,]+ of [\d,]+ lookup tables"):
        search([network], replace(UP5K, luts=round(found.area.luts / most_full(UP5K.family)) - 1), **pins)


def test_the_small_engine_gives_way_to_one_that_fits():
    digits = load(DIGITS)
    wide = [
        replace(n, weight=16 * n.weight, alphabet=Alphabet.s3(4)) for n in digits.nodes[:-1] if hasattr(n, "weight")
    ]
    names = {n.name: n for n in wide}
    network = replace(digits, nodes=tuple(names.get(n.name, n) for n in digits.nodes))
    for halves in (2, 4):
        small = replace(base_config([network], UP5K), columns_per_requantizer=halves)
        small = fit_memory([network], fit_widths([network], small), UP5K)
        assert (small.rows, small.cols) == (8, 8) and not estimate_area(small, UP5K).fits(UP5K, 1.0)
    chosen = choose_config([network], UP5K)
    assert chosen == search([network], UP5K)[0].config and estimate_area(chosen, UP5K).fits(UP5K, FULL[Family.ICE40])
    assert check_network(network, BOARDS["icebreaker"]).answer is Answer.YES


def test_where_nothing_fits_the_small_engine_is_for_a_simulation_and_too_little_block_ram_is_an_error(tmp_path):
    digits = load(DIGITS)
    tiny = replace(UP5K, luts=2000)
    assert choose_config([digits], tiny) == choose_config([digits], UP5K)
    with pytest.raises(CompileError, match=r"no engine for small_resnet-digits fits .* of 10 block RAMs"):
        choose_config([digits], replace(UP5K, block_rams=10))

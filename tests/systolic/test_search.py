import pytest

from hw.devices import ECP5_25, ECP5_85, HX8K, UP5K
from hw.graph import load
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import FULL, search
from hw.systolic.shape import choose_config

DIGITS = "examples/digits.s3net"
MLP = "examples/digits-mlp.s3net"


@pytest.mark.parametrize(("network", "device"), [(DIGITS, ECP5_25), (DIGITS, UP5K), (MLP, HX8K)])
def test_the_fastest_engine_fits_and_is_not_slower_than_the_small_one(network, device):
    network = load(network)
    found = search([network], device)
    speeds = [candidate.images_per_clock for candidate in found]
    assert speeds == sorted(speeds, reverse=True)
    for candidate in found:
        assert candidate.area.fits(device, FULL[device.family])
        assert compile_network(network, candidate.config).predicted_cycles == candidate.cycles
    small = compile_network(network, choose_config([network], device))
    assert found[0].images_per_clock >= 1 / small.predicted_cycles


def test_what_is_pinned_stays():
    found = search([load(DIGITS)], ECP5_85, rows=8, cols=8, clusters=3)
    assert {(c.config.rows, c.config.cols, c.config.clusters) for c in found} == {(8, 8, 3)}


def test_more_clusters_than_fit_are_refused_with_the_numbers():
    with pytest.raises(CompileError, match=r"16 x 16 cells take about \d+ of 24288 lookup tables"):
        search([load(DIGITS)], ECP5_25, rows=16, cols=16, clusters=9)

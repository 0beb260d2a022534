"""A bench's row goes on with the seeds that it has not yet, and is kept after each of them."""

from types import SimpleNamespace

import pytest

from bench import systolic
from bitstreams.flow import spread
from tests.systolic.support import make_config

MHZ = {1: 50.0, 2: 44.0, 3: 47.5}


@pytest.fixture
def placed(monkeypatch):
    """Seeds that were placed, in the order of the calls."""
    calls = []

    def build(board, config, out, cache, *, seeds, dsp, report):
        calls.append(list(seeds))
        return SimpleNamespace(luts=100, brams=3, dsps=0, fmax_mhz=spread({str(s): MHZ[s] for s in seeds}))

    monkeypatch.setattr(systolic, "build_board", build)
    return calls


@pytest.mark.parametrize(("cores", "calls"), [(1, [[2], [3]]), (2, [[2, 3]])])
def test_a_row_of_fewer_seeds_goes_on(placed, monkeypatch, cores, calls):
    monkeypatch.setattr(systolic, "cores", lambda: cores)
    earlier = {"cycles": 1_000_000, "fmax_mhz": spread({"1": MHZ[1]}), "images_per_s": 50.0}
    kept = []
    row = systolic.measure_engine(
        systolic.Case("icebreaker", "digits"),
        None,
        1.0,
        make_config(),
        None,
        earlier=earlier,
        keep=lambda row: kept.append(dict(row)),
    )
    assert placed == calls and len(kept) == len(calls) and kept[-1] == row
    assert row["fmax_mhz"] == spread({str(seed): mhz for seed, mhz in MHZ.items()})
    assert row["images_per_s"] == 44.0 and (row["luts"], row["brams"]) == (100, 3)
    assert earlier["images_per_s"] == 50.0

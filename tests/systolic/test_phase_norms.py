"""The norms of four phases: random results at random distances, several tiles and layers one after another."""

import numpy as np
import pytest

from hw.graph import Alphabet
from hw.systolic.phase_norms import PhaseNorms
from tests.systolic.support import make_config, simulate


def run(config, layers, seed, *, close=False):
    """Feed layers of tiles (tiles, height, width, cols) and return the phase after each.

    The signals come in the clocks in which the sequencer gives them at the earliest.
    """
    dut, rng, found = PhaseNorms(config), np.random.default_rng(seed), []

    async def testbench(ctx):
        async def clocks(count):
            for _ in range(count):
                await ctx.tick()

        async def pulse(port):
            ctx.set(port, 1)
            await ctx.tick()
            ctx.set(port, 0)

        for measured, layer in layers:
            ctx.set(dut.measured, measured)
            ctx.set(dut.cols, layer.shape[2])
            await pulse(dut.begins)
            for tile in layer:
                await pulse(dut.tile_begins)
                await clocks(8)
                for pixel in tile.reshape(-1, config.cols):
                    ctx.set(dut.valid, 1)
                    for c, number in enumerate(pixel):
                        ctx.set(dut.lanes[c], int(number))
                    await ctx.tick()
                    ctx.set(dut.valid, 0)
                    await clocks(1 if close else int(rng.integers(1, 4)))
            # A result in clock 0: ``ends`` in clock 2 at the earliest, the phase is read in clock 10.
            await pulse(dut.ends)
            await clocks(7 + max(0, (config.cols - 1).bit_length() - 3))
            found.append(ctx.get(dut.phase))

    simulate(dut, testbench)
    return found


def wanted(layer):
    sums = [layer[:, i::2, j::2].sum() for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))]
    return sums.index(max(sums))


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize(("rows", "cols", "bits"), [(8, 2, 8), (8, 8, 8), (16, 16, 4), (32, 32, 8)])
def test_the_largest_phase_is_found(rows, cols, bits, close):
    config = make_config(
        rows=rows, cols=cols, activation_bits=bits, columns_per_requantizer=2, circular=True, norm_bits=24,
        alphabet=Alphabet.s3(3),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    layers = []
    for i, (tiles, height, width) in enumerate([(1, 2, 2), (3, 4, 2), (2, 2, 6), (1, 8, 8), (1, 2, 2), (2, 4, 4)] * 3):
        layer = rng.integers(0, 1 << bits, (tiles, height, width, cols))
        layers.append((i % 5 != 3, layer))
    found = run(config, layers, 0, close=close)
    want = last = None
    for (measured, layer), phase in zip(layers, found, strict=True):
        want = wanted(layer) if measured else last
        assert phase == want
        last = want
    assert len(set(found)) == 4


def test_the_first_of_equal_phases_is_taken_and_the_largest_sums_fit():
    config = make_config(cols=8, columns_per_requantizer=2, circular=True, norm_bits=13)
    ones = np.ones((1, 4, 4, 8), np.int64)
    some = ones.copy()
    some[0, 0, 1, 3] = some[0, 1, 1, 2] = 9
    # Two of the four sums are the largest that 13 bits hold: 4 pixels of 8 lanes of 255.
    full = ones * 255
    full[0, ::2, :, :] = 254
    assert run(config, [(1, ones), (1, some), (1, full)], 0) == [0, 2, 1]

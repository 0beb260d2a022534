"""The link's streams of bytes and lanes."""

import numpy as np
import pytest

from hw.bus import ByteFifo, LaneSplitter
from tests.systolic.support import simulate


@pytest.mark.parametrize("registered", [False, True])
def test_a_queue_of_bytes_keeps_their_order_and_has_a_limit(registered):
    dut = ByteFifo(64, registered=registered)
    rng = np.random.default_rng(3)
    sent, got = [], []

    async def testbench(ctx):
        for turn in range(3000):
            # Full, then empty, then both.
            fills = 0.9 if turn % 1000 < 300 else 0.2
            ctx.set(dut.i.valid, int(rng.random() < fills))
            ctx.set(dut.i.payload, int(rng.integers(256)))
            ctx.set(dut.o.ready, int(rng.random() < 1 - fills))
            *_, enters, value, leaves, out = await ctx.tick().sample(
                dut.i.valid & dut.i.ready, dut.i.payload, dut.o.valid & dut.o.ready, dut.o.payload
            )
            if enters:
                sent.append(value)
            if leaves:
                got.append(out)
            assert len(sent) - len(got) <= dut.depth
        assert max(0, len(sent) - len(got)) <= dut.depth

    simulate(dut, testbench)
    assert got == sent[: len(got)] and len(got) > 500
    with pytest.raises(ValueError, match="a power of two from 32, got 48"):
        ByteFifo(48)


@pytest.mark.parametrize("registered", [False, True])
def test_a_queue_offers_a_byte_after_the_clocks_it_says(registered):
    dut = ByteFifo(64, registered=registered)
    waited = []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        waited.append(1)
        while not ctx.get(dut.o.valid):
            waited[0] += 1
            await ctx.tick()

    simulate(dut, testbench)
    assert waited == [dut.cycles()]


def test_the_lane_splitter_begins_anew_with_a_program():
    dut = LaneSplitter()
    got = []

    async def testbench(ctx):
        async def take(count):
            for _ in range(count):
                ctx.set(dut.o.ready, 1)
                assert ctx.get(dut.o.valid)
                got.append(ctx.get(dut.o.payload))
                await ctx.tick()
            ctx.set(dut.o.ready, 0)

        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 0xA5)
        await take(3)
        ctx.set(dut.run, 1)
        await ctx.tick().repeat(2)
        await take(2)

    simulate(dut, testbench)
    assert got == [5, 10, 5, 5, 10]

"""What comes out of the engine: the largest logit's index, and when it is offered as the class."""

import numpy as np
import pytest

from hw.systolic.argmax import Argmax
from hw.systolic.logit_output import LogitOutput
from tests.systolic.support import make_config, simulate


@pytest.mark.parametrize("registered", [False, True])
def test_argmax_keeps_the_lowest_index_of_the_largest(registered):
    dut = Argmax(32, registered=registered)
    rng = np.random.default_rng(0)
    rows = [rng.integers(-3, 4, 9).tolist() for _ in range(12)] + [
        [-(2**31), 2**31 - 1, 2**31 - 1],
        [-(2**31)] * 2,
        [-5],
        [7, 7],
    ]
    got = []

    async def testbench(ctx):
        for row in rows:
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            ctx.set(dut.valid, 1)
            for i, value in enumerate(row):
                ctx.set(dut.first, i == 0)
                ctx.set(dut.value, value)
                await ctx.tick()
            ctx.set(dut.valid, 0)
            for _ in range(dut.cycles() - 1):
                await ctx.tick()
            got.append(ctx.get(dut.index))

    simulate(dut, testbench)
    assert got == [dut.model(np.array(row)) for row in rows]


@pytest.mark.parametrize("registered", [False, True])
def test_a_class_is_offered_when_it_is_that_of_the_last_logit(registered):
    config = make_config(registered_ram=registered)
    dut = LogitOutput(config)
    rows = [[3, 1, 2, 9], [5, 4, 6, 7], [8, -1, -2, -3]]
    got = []

    async def testbench(ctx):
        for row in rows:
            ctx.set(dut.classes, len(row))
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            ctx.set(dut.valid, 1)
            for value in row:
                ctx.set(dut.value, value)
                await ctx.tick()
            ctx.set(dut.valid, 0)
            while not ctx.get(dut.klass.valid):
                await ctx.tick()
            got.append(ctx.get(dut.klass.payload))
            ctx.set(dut.klass.ready, 1)
            await ctx.tick()
            ctx.set(dut.klass.ready, 0)

    simulate(dut, testbench)
    assert got == [3, 3, 0]

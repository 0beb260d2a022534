"""What comes out of the engine: the largest logit's index, and when it is offered as the class."""

from dataclasses import replace

import numpy as np
import pytest

from hw.systolic.argmax import Argmax
from hw.systolic.compiler import compile_network
from hw.systolic.engine import Engine
from hw.systolic.logit_output import LATE, LogitOutput
from tests.hostile.linked_engine import tiny_network
from tests.strategies import random_images
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


@pytest.mark.parametrize(
    "changes", [{}, {"registered_ram": False}, {"max_pool": False}, {"columns_per_requantizer": 1}]
)
def test_the_last_logit_is_there_soon_after_the_inference_has_ended(changes):
    # The link waits so long for one that a program announces and does not make.
    network, compiled = tiny_network()
    compiled = compile_network(network, replace(compiled.config, **changes))
    image = compiled.pack_image(random_images(network, 1, 1)[0])
    dut = Engine(compiled.config, compiled.words)
    fell, came = [], []

    async def testbench(ctx):
        ctx.set(dut.run, 1)
        ctx.set(dut.logits.ready, 1)
        ctx.set(dut.klass.ready, 1)
        sent, busy, clock = 0, 0, 0
        while not fell or clock < fell[0] + 20:
            ctx.set(dut.image.valid, sent < len(image))
            ctx.set(dut.image.payload, image[min(sent, len(image) - 1)])
            _, _, ready, now, valid = await ctx.tick().sample(dut.image.ready, dut.status.busy, dut.logits.valid)
            clock += 1
            sent += bool(ready) and sent < len(image)
            fell.extend([clock] * (busy and not now))
            came.extend([clock] * valid)
            busy = now

    simulate(dut, testbench)
    assert len(came) == network.classes
    assert came[-1] - fell[0] <= LATE

"""A host may stop an engine in any clock and send another program: nothing of what was under way is left."""

from dataclasses import replace

import pytest

from hw.systolic.compiler import compile_network
from hw.systolic.engine import Engine
from hw.systolic.header_check import Error
from sim.runner import pack_memory
from tests.hostile.linked_engine import tiny_network
from tests.strategies import random_images
from tests.systolic.support import simulate

PATIENCE = 1000
"""Clocks to wait for a value to be taken, and for all logits."""


@pytest.mark.parametrize("registered", [True, False])
def test_a_program_arrives_whole_wherever_the_engine_was_stopped(registered):
    network, compiled = tiny_network()
    compiled = compile_network(network, replace(compiled.config, registered_ram=registered))
    images = random_images(network, 1, 1)
    image, program = compiled.pack_image(images[0]), pack_memory(compiled)
    want = network.run(images)[network.logits.name][0].flatten().tolist()
    dut = Engine(compiled.config, compiled.words)
    got, errors = [], []

    async def testbench(ctx):
        async def send(values):
            for value in values:
                ctx.set(dut.image.valid, 1)
                ctx.set(dut.image.payload, value)
                for _ in range(PATIENCE):
                    if (await ctx.tick().sample(dut.image.ready))[2]:
                        break
                else:
                    pytest.fail("a value is not taken")
            ctx.set(dut.image.valid, 0)

        ctx.set(dut.klass.ready, 1)
        ctx.set(dut.logits.ready, 1)
        ctx.set(dut.run, 1)
        # A stopped engine takes a program, so the image is wanted where it begins to be ready a while after.
        await ctx.tick().repeat(8)
        begins = 8
        while not ctx.get(dut.image.ready):
            await ctx.tick()
            begins += 1
        for stops in range(begins - 6, begins + 4):
            ctx.set(dut.run, 0)
            await ctx.tick().repeat(8)
            ctx.set(dut.run, 1)
            await ctx.tick().repeat(stops)
            ctx.set(dut.run, 0)
            await ctx.tick().repeat(4)
            await send(program)
            await ctx.tick().repeat(4)
            ctx.set(dut.run, 1)
            await send(image)
            logits = []
            for _ in range(PATIENCE):
                _, _, valid, value = await ctx.tick().sample(dut.logits.valid, dut.logits.payload.value)
                logits.extend([value] * valid)
            got.append(logits)
            errors.append(ctx.get(dut.status.error))

    simulate(dut, testbench)
    assert errors == [Error.NONE] * 10
    assert got == [want] * 10

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
    config = replace(compiled.config, registered_ram=registered)
    # In turns, so that a program that was written elsewhere or not at all shows.
    logits = replace(network.logits, bias=network.logits.bias + 1)
    networks = [replace(network, nodes=(*network.nodes[:-1], logits)), network]
    programs = [compile_network(one, config) for one in networks]
    images = random_images(network, 1, 1)
    image = programs[0].pack_image(images[0])
    dut = Engine(config, programs[1].words)
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
        # An image is wanted from the clock on in which its values are taken after a pause; one may wait in a register.
        ctx.set(dut.image.valid, 1)
        taken = []
        while True not in taken[8:] or False not in taken[8:] or not taken[-1]:
            taken.append(bool((await ctx.tick().sample(dut.image.ready))[2]))
            assert len(taken) < PATIENCE
        ctx.set(dut.image.valid, 0)
        begins = len(taken)
        for stops in range(begins - 6, begins + 4):
            ctx.set(dut.run, 0)
            await ctx.tick().repeat(8)
            ctx.set(dut.run, 1)
            await ctx.tick().repeat(stops)
            ctx.set(dut.run, 0)
            await ctx.tick().repeat(4)
            await send(pack_memory(programs[stops % 2]))
            await ctx.tick().repeat(4)
            ctx.set(dut.run, 1)
            await send(image)
            found = []
            for _ in range(PATIENCE):
                _, _, valid, value = await ctx.tick().sample(dut.logits.valid, dut.logits.payload.value)
                found.extend([value] * valid)
            got.append((stops % 2, found))
            errors.append(ctx.get(dut.status.error))

    simulate(dut, testbench)
    assert errors == [Error.NONE] * 10
    wanted = [one.run(images)[one.logits.name][0].tolist() for one in networks]
    assert wanted[0] != wanted[1]
    assert got == [(which, wanted[which]) for which, _ in got]

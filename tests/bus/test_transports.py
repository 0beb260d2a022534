"""UART and SPI, pin by pin."""

import random

import pytest

from host.transport import SlipDecoder, slip_encode
from hw.bus import SpiDevice, UartReceiver, UartTransmitter
from hw.bus.spi_device import IDLE
from hw.bus.uart import half_bits
from tests.systolic.support import simulate

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7F, 0xFE, *random.Random(1).randbytes(24)]


# Four clocks a bit leave no room for another clock.
@pytest.mark.parametrize(
    ("divisor", "error"), [(4, 0), *((divisor, error) for divisor in (13, 13.5, 14) for error in (-0.02, 0, 0.02))]
)
@pytest.mark.parametrize("phase", [0.0, 0.5])
def test_a_receiver_bears_clocks_that_are_two_percent_apart(divisor, error, phase):
    dut = UartReceiver(divisor)
    got = []
    bit = divisor * (1 + error)
    levels = [level for byte in BYTES for level in (0, *(byte >> i & 1 for i in range(8)), 1)]

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        for clock in range(int(len(levels) * bit) + 40):
            at = int((clock - 10 - phase) / bit) if clock > 10 else -1
            ctx.set(dut.rx, levels[at] if 0 <= at < len(levels) else 1)
            *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                got.append(payload)

    simulate(dut, testbench)
    assert got == BYTES


@pytest.mark.parametrize("divisor", [4, 13, 13.5])
def test_a_transmitters_bits_are_where_they_belong(divisor):
    dut = UartTransmitter(divisor)
    edges = []

    async def testbench(ctx):
        for byte in (0x55, 0x0F):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, byte)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            trace = []
            for _ in range(int(10 * divisor)):
                trace.append(ctx.get(dut.tx))
                await ctx.tick()
            middles = [trace[int((i + 0.5) * divisor)] for i in range(10)]
            assert middles == [0, *(byte >> i & 1 for i in range(8)), 1]
            edges.append([i for i in range(1, len(trace)) if trace[i] != trace[i - 1]])

    simulate(dut, testbench)
    # No edge is more than half a clock off.
    assert all(abs(edge - (i + 1) * divisor) <= 0.5 for i, edge in enumerate(edges[0]))


def test_the_divisor_is_the_nearest_half():
    assert half_bits(40_500_000, 3_000_000) == 27
    assert half_bits(100_000_000, 3_000_000) == 67


async def spi_exchange(ctx, dut, data, half, rng, got):
    """Exchange bytes with an SPI clock of ``2 * half`` clocks, which need not be whole."""
    time = rng.random()
    clock = 0

    async def until(moment):
        nonlocal clock
        while clock < moment:
            *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            clock += 1
            if valid:
                got.append(payload)

    read = []
    ctx.set(dut.select, 1)
    time += 8
    await until(time)
    for byte in data:
        value = 0
        for i in range(8):
            ctx.set(dut.copi, byte >> 7 - i & 1)
            time += half
            await until(time)
            ctx.set(dut.sck, 1)
            value = value << 1 | ctx.get(dut.cipo)
            time += half
            await until(time)
            ctx.set(dut.sck, 0)
        read.append(value)
    time += 8
    await until(time)
    ctx.set(dut.select, 0)
    await until(time + 8)
    return read


@pytest.mark.parametrize("seed", range(12))
def test_an_spi_carries_every_byte_both_ways(seed):
    rng = random.Random(seed)
    half = 2 if seed == 0 else 2.0 + 6 * rng.random()
    dut = SpiDevice()
    out = bytes([IDLE, 0xDB, 0xDC, 0xDD, 0xA5, 0x5A, 0, 255, *rng.randbytes(12)])
    back = bytes([0x5A, 0xDB, IDLE, 0xDD, 0xDC, *rng.randbytes(9), IDLE])
    got, read = [], []

    async def host(ctx):
        # Cut into pieces, with idle bytes between them, and one piece that stops in the middle of a byte.
        frame = slip_encode(out)
        cut = rng.randrange(1, len(frame))
        read.extend(await spi_exchange(ctx, dut, frame[:cut], half, rng, got))
        ctx.set(dut.select, 1)
        for level in (1, 0, 1, 0, 1, 0):
            await ctx.tick().repeat(6)
            ctx.set(dut.sck, level)
        await ctx.tick().repeat(6)
        ctx.set(dut.select, 0)
        await ctx.tick().repeat(12)
        read.extend(await spi_exchange(ctx, dut, frame[cut:] + bytes([IDLE]) * 24, half, rng, got))

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(4)
        await host(ctx)

    async def source(ctx):
        # Begins after the broken byte, which costs what was being sent.
        while ctx.get(dut.select) or not read:
            await ctx.tick()
        await ctx.tick().repeat(60)
        for byte in back:
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, byte)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            await ctx.tick().repeat(rng.randrange(1, 40))

    from amaranth.sim import Simulator

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_testbench(source, background=True)
    simulator.run()
    assert bytes(got) == out
    assert SlipDecoder().feed(bytes(read)) == back

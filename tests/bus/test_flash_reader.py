"""The flash reader against a model of a flash, pin by pin."""

import random

import pytest

from hw.bus.flash_reader import READ, FlashReader
from tests.systolic.support import simulate


class Flash:
    """An SPI flash in mode 0: takes a bit when ``sclk`` rises, gives one when it falls."""

    def __init__(self, content):
        self.content = content
        self.sclk = 0
        self.bits = []
        self.out = 1
        self.selections = 0
        self.selected = False

    def step(self, cs_n, sclk, copi):
        """Return ``cipo`` for the pins of a clock."""
        if cs_n:
            self.bits, self.selected = [], False
        elif not self.selected:
            self.selected = True
            self.selections += 1
            assert sclk == 0, "mode 0 begins with a low clock"
        if not cs_n and sclk and not self.sclk:
            self.bits.append(copi)
        if not cs_n and not sclk and self.sclk and len(self.bits) >= 32:
            word = int("".join(map(str, self.bits[:32])), 2)
            assert word >> 24 == READ
            at = (word & 0xFFFFFF) * 8 + len(self.bits) - 32
            byte = self.content.get(at // 8, 0xFF)
            self.out = byte >> 7 - at % 8 & 1
        self.sclk = sclk
        return self.out


def read(content, address, *, count, begins=None, limit_bits=8, ready=lambda: True, stop_after=None, clocks=200_000):
    """Return the bytes that were read, the flash, and whether the reader is done."""
    dut = FlashReader(address, content.get(address, 0xFF) if begins is None else begins, limit_bits)
    flash = Flash(content)
    taken = []

    async def testbench(ctx):
        for _ in range(clocks):
            ctx.set(dut.cipo, flash.step(ctx.get(dut.cs_n), ctx.get(dut.sclk), ctx.get(dut.copi)))
            now = ready()
            ctx.set(dut.o.ready, now)
            ctx.set(dut.stop, stop_after is not None and len(taken) >= stop_after)
            if now and ctx.get(dut.o.valid):
                taken.append(ctx.get(dut.o.payload))
            if len(taken) >= count or ctx.get(dut.done):
                break
            await ctx.tick()
        await ctx.tick()
        flash.done = ctx.get(dut.done)
        await ctx.tick()
        flash.cs_n = ctx.get(dut.cs_n)

    simulate(dut, testbench)
    return taken, flash


@pytest.mark.parametrize("address", [0, 0x40000, 0xABCDEF, 0xFFFF00, 0x5A5A5A])
def test_it_reads_from_its_address_on(address):
    content = {address + i: random.Random(i).randrange(256) for i in range(64)}
    taken, _ = read(content, address, count=64)
    assert taken == list(content.values())


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_when_nobody_takes_the_bytes(seed):
    source = random.Random(seed)
    content = {i: source.randrange(256) for i in range(40)}
    taken, _ = read(content, 0, count=40, ready=lambda: source.random() < 0.02)
    assert taken == list(content.values())


def test_it_stops_when_it_is_told_and_leaves_the_flash_alone():
    taken, flash = read({}, 0, count=1000, stop_after=7)
    assert len(taken) == 7 and flash.done and flash.cs_n and flash.selections == 1


@pytest.mark.parametrize("limit_bits", [3, 5])
def test_it_gives_up(limit_bits):
    taken, flash = read({}, 0, count=10_000, limit_bits=limit_bits)
    # The four bytes of the command count too.
    assert len(taken) == (1 << limit_bits) - 4 and flash.done and flash.cs_n


@pytest.mark.parametrize("first", [0x00, 0xFF, 0xA4, 0x25])
def test_a_flash_that_begins_otherwise_is_left_alone_at_once(first):
    content = {0: first} | dict.fromkeys(range(1, 50), 165)
    taken, flash = read(content, 0, count=40, begins=0xA5)
    assert taken == [] and flash.done and flash.cs_n and len(flash.bits) <= 8 * 6
    content[0] = 0xA5
    assert len(read(content, 0, count=40, begins=0xA5)[0]) == 40


@pytest.mark.parametrize(
    ("address", "limit_bits", "what"), [(1 << 24, 8, "24 bits"), (-1, 8, "24 bits"), (0, 2, "3..24")]
)
def test_wrong_parameters_are_refused(address, limit_bits, what):
    with pytest.raises(ValueError, match=what):
        FlashReader(address, 0xA5, limit_bits)

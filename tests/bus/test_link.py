"""Frames through the UART, the link and a small engine, pin by pin."""

import struct

import numpy as np
import pytest
from amaranth import Module
from amaranth.hdl import Elaboratable
from amaranth.lib import wiring

from bitstreams.host import Host, HostError
from hw.bus import FrameLink, LaneSplitter, UartReceiver, UartTransmitter
from hw.systolic.compiler import compile_network
from hw.systolic.engine import Engine
from hw.systolic.program import COORDINATE_BITS, Opcode, closing_word, encode, instruction_words
from sim.runner import pack_memory
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config, simulate

DIVISOR = 4


class Board(Elaboratable):
    """What a board's top is, without a clock generator."""

    def __init__(self, config):
        self.receiver = UartReceiver(DIVISOR)
        self.transmitter = UartTransmitter(DIVISOR)
        self.link = FrameLink(timeout_bits=12, images=config.clusters)
        self.engine = Engine(config)
        self.splitter = LaneSplitter()

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.receiver, self.transmitter, self.link, self.engine]
        m.d.comb += [
            self.engine.run.eq(self.link.run),
            self.link.error.eq(self.engine.status.error),
            self.link.busy.eq(self.engine.status.busy),
            self.link.cycles.eq(self.engine.status.cycles),
        ]
        wiring.connect(m, self.receiver.o, self.link.i)
        wiring.connect(m, self.link.o, self.transmitter.i)
        if self.engine.config.activation_bits == 4:
            m.submodules += self.splitter
            m.d.comb += self.splitter.run.eq(self.link.run)
            wiring.connect(m, self.link.image, self.splitter.i)
            wiring.connect(m, self.splitter.o, self.engine.image)
        else:
            wiring.connect(m, self.link.image, self.engine.image)
        wiring.connect(m, self.engine.logits, self.link.logits)
        wiring.connect(m, self.engine.klass, self.link.klass)
        return m


class Wire:
    """Both ends of the serial line, in Amaranth's simulator."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut

    async def send(self, data):
        for byte in data:
            for bit in [0, *(byte >> i & 1 for i in range(8)), 1]:
                self.ctx.set(self.dut.receiver.rx, bit)
                await self.ctx.tick().repeat(DIVISOR)

    async def receive(self, count):
        data = []
        for _ in range(count):
            waited = 0
            while self.ctx.get(self.dut.transmitter.tx):
                await self.ctx.tick()
                waited += 1
                assert waited < 20000, "no answer"
            await self.ctx.tick().repeat(DIVISOR + DIVISOR // 2)
            byte = 0
            for i in range(8):
                byte |= self.ctx.get(self.dut.transmitter.tx) << i
                await self.ctx.tick().repeat(DIVISOR)
            data.append(byte)
        return bytes(data)


def test_a_frame_has_an_image_for_every_cluster():
    network = random_network(58)
    config = make_config(memory_words=256, program_words=1024, clusters=2)
    compiled = compile_network(network, config)
    images = random_images(network, 1, 4)
    wanted = network.run(images)[network.logits.name]
    dut = Board(config)
    host = Host(network.classes, images=2)
    seen = []

    async def testbench(ctx):
        wire = Wire(ctx, dut)
        ctx.set(dut.receiver.rx, 1)
        await ctx.tick().repeat(20)
        await wire.send(host.load(pack_memory(compiled)))
        host.check_load(await wire.receive(host.load_size))
        for batch in (images[:2], images[2:]):
            await wire.send(host.infer(b"".join(compiled.pack_image(image) for image in batch)))
            seen.extend(host.answers(await wire.receive(host.answer_size)))

    simulate(dut, testbench)
    assert [answer.logits for answer in seen] == wanted.tolist()
    assert [answer.klass for answer in seen] == np.argmax(wanted, axis=1).tolist()
    assert {answer.cycles for answer in seen} == {compiled.predicted_cycles}


def test_an_engine_of_four_bits_takes_images_of_eight():
    network = random_network(139, bits=4, image_bits=8)
    config = make_config(activation_bits=4, image_planes=2, memory_words=1024)
    compiled = compile_network(network, config)
    images = random_images(network, 1, 3)
    assert images.max() > 15
    wanted = network.run(images)[network.logits.name]
    dut = Board(config)
    host = Host(network.classes, lane_bits=4)
    seen = []

    async def testbench(ctx):
        wire = Wire(ctx, dut)
        ctx.set(dut.receiver.rx, 1)
        await ctx.tick().repeat(20)
        # A frame that stops in the middle: the next one begins anew.
        await wire.send(host.load(pack_memory(compiled))[:-10])
        assert (await wire.receive(3))[1] == ord("E")
        await wire.send(host.load(pack_memory(compiled)))
        host.check_load(await wire.receive(host.load_size))
        # This UART is far faster than a board's: the engine must have read its constants.
        await ctx.tick().repeat(2000)
        for image in images:
            await wire.send(host.infer(compiled.pack_image(image)))
            seen.append(host.answer(await wire.receive(host.answer_size)))

    simulate(dut, testbench)
    assert [answer.logits for answer in seen] == wanted.tolist()
    assert {answer.cycles for answer in seen} == {compiled.predicted_cycles}


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


def test_the_host_packs_two_activations_a_byte():
    host = Host(2, lane_bits=4)
    assert host.infer(bytes([1, 2, 15, 0]))[5:] == bytes([0x21, 0x0F])
    with pytest.raises(HostError, match="pairs of 4-bit activations, got 3"):
        host.infer(bytes(3))
    with pytest.raises(HostError, match="4 or 8 bits, the engine has 5"):
        Host(2, lane_bits=5)


def test_a_program_without_an_end_is_stopped_and_the_host_told():
    network = random_network(58)
    config = make_config(memory_words=1024, watchdog_bits=11)
    compiled = compile_network(network, config)
    image = random_images(network, 1, 1)[0]
    whole = pack_memory(compiled)
    # In the place of the first layer a jump to itself that is never done: it counts further than the engine's counter.
    words, size = compiled.program.words, instruction_words(config)
    at = next(i for i, word in enumerate(words) if word & 15 == Opcode.INPUT and i >= size) + size
    assert words[at] & 15 == Opcode.OPERAND
    words[at : at + size] = encode(Opcode.LOOP, config, target=at, count=(1 << COORDINATE_BITS) - 1)
    words[-1] = closing_word(words[:-1], config)
    endless = pack_memory(compiled)
    dut = Board(config)
    host = Host(network.classes)
    seen = []

    async def testbench(ctx):
        wire = Wire(ctx, dut)
        ctx.set(dut.receiver.rx, 1)
        await ctx.tick().repeat(20)
        await wire.send(host.load(endless))
        host.check_load(await wire.receive(host.load_size))
        await wire.send(host.infer(compiled.pack_image(image)))
        assert await wire.receive(3) == b"\x5aE\x03"
        await wire.send(host.status())
        assert await wire.receive(4) == b"\x5aS\x05\x01"
        # A stopped engine says so again, and swallows the image.
        await wire.send(host.infer(compiled.pack_image(image)))
        assert await wire.receive(3) == b"\x5aE\x03"
        await wire.send(host.load(whole))
        host.check_load(await wire.receive(host.load_size))
        await wire.send(host.infer(compiled.pack_image(image)))
        seen.append(host.answer(await wire.receive(host.answer_size)).logits)

    simulate(dut, testbench)
    assert seen == network.run(image[None])[network.logits.name].tolist()


def test_a_network_is_loaded_images_are_answered_and_errors_do_not_hang():
    network = random_network(58)
    config = make_config(memory_words=1024)
    compiled = compile_network(network, config)
    images = random_images(network, 1, 3)
    wanted = network.run(images)[network.logits.name]
    dut = Board(config)
    host = Host(network.classes)
    seen = []

    async def testbench(ctx):
        wire = Wire(ctx, dut)
        send, receive = wire.send, wire.receive
        ctx.set(dut.receiver.rx, 1)
        await ctx.tick().repeat(20)
        # A program that stops in the middle, the right one, one with a wrong bit, and the right one again.
        memory = pack_memory(compiled)
        await send(host.load(memory)[:50])
        assert (await receive(3))[:3] == b"\x5aE\x02"
        await send(host.load(memory))
        host.check_load(await receive(host.load_size))
        await send(host.status())
        assert await receive(4) == b"\x5aS\x00\x01"
        wrong = bytearray(memory)
        wrong[len(memory) // 2] ^= 4
        await send(host.load(bytes(wrong)))
        host.check_load(await receive(host.load_size))
        await send(host.status())
        assert await receive(4) == b"\x5aS\x04\x01"
        await send(host.load(memory))
        host.check_load(await receive(host.load_size))
        for image in images:
            await send(host.infer(compiled.pack_image(image)))
            seen.append(host.answer(await receive(host.answer_size)))
        # Garbage, an unknown command, and an image that stops in the middle.
        await send(b"\x00\x13" + b"\xa5?" + struct.pack("<I", 0)[:3])
        assert (await receive(3))[:3] == b"\x5aE\x01"
        await send(host.infer(compiled.pack_image(images[0]))[:6])
        assert (await receive(3))[:3] == b"\x5aE\x02"
        await send(host.infer(compiled.pack_image(images[2])))
        seen.append(host.answer(await receive(host.answer_size)))
        await send(host.status())
        assert await receive(4) == b"\x5aS\x00\x01"

    simulate(dut, testbench)
    for answer, row in zip(seen, [*wanted, wanted[2]], strict=True):
        assert answer.logits == row.tolist()
        assert answer.klass == int(np.argmax(row))
        assert answer.cycles == compiled.predicted_cycles

"""Frames through the link and a small engine, byte by byte."""

from dataclasses import replace

import numpy as np
import pytest

from host.protocol import (
    FrameReader,
    answer_bytes,
    check,
    load_payload,
    read_answers,
    read_counters,
    read_echo,
    read_identity,
    read_state,
    request,
)
from hw.bus import FrameLink, HostLink
from hw.bus.frame_types import Frame, LinkError
from hw.systolic.compiler import compile_network
from hw.systolic.header_check import Error
from hw.systolic.program import COORDINATE_BITS, RESULT, Opcode, closing_word, encode, instruction_words
from sim.runner import pack_memory
from tests.hostile.linked_engine import LinkedEngine, tiny_network
from tests.strategies import random_images
from tests.systolic.support import simulate


class Line:
    """The host's end of the link's streams."""

    def __init__(self, ctx, dut, pace=24):
        self.ctx, self.dut, self.pace = ctx, dut, pace
        self.reader, self.messages = FrameReader(), []

    async def step(self):
        self.ctx.set(self.dut.o.ready, 1)
        *_, valid, payload = await self.ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
        if valid:
            self.messages += self.reader.feed(bytes([payload]))

    async def send(self, data):
        for byte in data:
            self.ctx.set(self.dut.i.valid, 1)
            self.ctx.set(self.dut.i.payload, byte)
            await self.step()
            self.ctx.set(self.dut.i.valid, 0)
            for _ in range(self.pace - 1):
                await self.step()

    async def answer(self, limit=60000):
        for _ in range(limit):
            if self.messages:
                return self.messages.pop(0)
            await self.step()
        raise AssertionError("no answer")

    async def ask(self, kind, sequence=1, payload=b""):
        await self.send(request(kind, sequence, payload))
        message = await self.answer()
        assert message.sequence == sequence
        return message

    async def error(self):
        message = await self.answer()
        assert message.kind == Frame.ERROR and len(message.payload) == 2, message
        return message.payload[1]


def run(dut, body, **line):
    async def testbench(ctx):
        await ctx.tick().repeat(8)
        await body(Line(ctx, dut, **line))

    simulate(dut, testbench)


@pytest.fixture(scope="module")
def small():
    network, compiled = tiny_network()
    images = random_images(network, 1, 2)
    logits = network.run(images)[network.logits.name]
    assert logits[0].tolist() != logits[1].tolist()
    return network, compiled, [compiled.pack_image(image) for image in images], logits.tolist()


def load_of(network, compiled, clusters=1):
    return load_payload(b"\1\2\3\4\5\6\7\xa5", network.classes, pack_memory(compiled), clusters)


@pytest.mark.parametrize("registered", [False, True])
def test_a_network_is_loaded_and_images_are_answered(small, registered):
    network, compiled, images, logits = small
    dut = LinkedEngine(compiled.config, registered=registered)

    async def body(line):
        message = await line.ask(Frame.INFER, 1, images[0])
        assert message.payload == bytes([0, LinkError.NO_NETWORK])
        state = read_state(await line.ask(Frame.LOAD, 2, load_of(network, compiled)), Frame.LOAD)
        assert state.loaded and state.error is Error.NONE
        identity = read_identity(await line.ask(Frame.IDENTIFY, 3))
        assert identity.digest == b"\1\2\3\4\5\6\7\xa5" and identity.answer_bytes == answer_bytes(network.classes)
        assert identity.description.config == compiled.config and identity.state.loaded
        # Two images of one frame, each answered.
        await line.send(request(Frame.INFER, 9, images[0] + images[1]))
        for row in logits:
            message = await line.answer()
            (answer,) = read_answers(message, network.classes)
            assert message.sequence == 9
            assert answer.logits == row and answer.klass == int(np.argmax(row))
            assert answer.cycles == compiled.predicted_cycles
        counters = read_counters(await line.ask(Frame.COUNTERS))
        assert (counters.cycles, counters.answered, counters.refused) == (compiled.predicted_cycles, 2, 1)
        assert read_state(await line.ask(Frame.RESET), Frame.RESET).loaded is False
        assert (await line.ask(Frame.INFER, 1, images[0])).payload[1] == LinkError.NO_NETWORK

    run(dut, body, pace=40 if registered else 24)


def test_what_is_wrong_is_answered_and_the_next_frame_is_right(small):
    network, compiled, images, logits = small
    dut = LinkedEngine(compiled.config)

    async def body(line):
        read_state(await line.ask(Frame.LOAD, 2, load_of(network, compiled)), Frame.LOAD)
        assert (await line.ask(99, 3, b"what")).payload[1] == LinkError.TYPE
        damaged = bytearray(request(Frame.INFER, 4, images[0]))
        damaged[30] ^= 16
        await line.send(damaged)
        assert await line.error() == LinkError.CRC
        assert read_answers(await line.ask(Frame.INFER, 5, images[1]), network.classes)[0].logits == logits[1]
        # One byte too few, too many, a frame that stops.
        assert (await line.ask(Frame.INFER, 6, images[0][:-1])).payload[1] == LinkError.LENGTH
        await line.send(request(Frame.INFER, 7, images[0] + b"x"))
        assert read_answers(await line.answer(), network.classes)[0].logits == logits[0]
        assert await line.error() == LinkError.LENGTH
        await line.send(request(Frame.INFER, 8, images[0])[:-5])
        assert await line.error() == LinkError.TIMEOUT
        # A header that lost a byte costs no other frame.
        frame = request(Frame.STATUS, 9)
        await line.send(frame[:6] + frame[7:] + request(Frame.INFER, 10, images[1]))
        message = await line.answer()
        assert message.sequence == 10 and read_answers(message, network.classes)[0].logits == logits[1]
        assert read_counters(await line.ask(Frame.COUNTERS)).refused == 6

    run(dut, body)


def test_a_self_test_sends_back_what_it_got(small):
    network, compiled, images, logits = small
    dut = LinkedEngine(compiled.config)

    async def body(line):
        state, echo = read_echo(await line.ask(Frame.SELF_TEST, 1, b"\xa5\xa5\x5a\x5a"))
        assert not state.loaded and echo == b"\xa5\xa5\x5a\x5a"
        read_state(await line.ask(Frame.LOAD, 2, load_of(network, compiled)), Frame.LOAD)
        state, echo = read_echo(await line.ask(Frame.SELF_TEST, 3, bytes(range(32))))
        assert state.loaded and state.error is Error.NONE and echo == bytes(range(32))
        assert (await line.ask(Frame.SELF_TEST, 4, bytes(33))).payload[1] == LinkError.LENGTH
        assert read_answers(await line.ask(Frame.INFER, 5, images[1]), network.classes)[0].logits == logits[1]

    run(dut, body)


def test_a_program_that_arrives_damaged_or_not_at_all_is_not_run(small):
    network, compiled, images, logits = small
    dut = LinkedEngine(compiled.config)
    whole = load_of(network, compiled)

    async def body(line):
        for size in (10, 11):
            assert (await line.ask(Frame.LOAD, size, whole[:size])).payload == bytes([0, LinkError.LENGTH])
        await line.send(request(Frame.LOAD, 1, whole)[:-9])
        assert await line.error() == LinkError.TIMEOUT
        # A host that sends a wrong program with a right CRC: the engine's own checksum.
        wrong = bytearray(whole)
        wrong[len(wrong) // 2] ^= 4
        message = await line.ask(Frame.LOAD, 2, bytes(wrong))
        assert message.payload == bytes([Error.CHECKSUM.value | 8, LinkError.ENGINE])
        assert (await line.ask(Frame.INFER, 3, images[0])).payload[1] == LinkError.ENGINE
        check(await line.ask(Frame.LOAD, 4, whole), Frame.LOAD)
        assert read_answers(await line.ask(Frame.INFER, 5, images[0]), network.classes)[0].logits == logits[0]

    run(dut, body)


def decoded(compiled, at, layout):
    """Return the fields of the instruction at a word."""
    config = compiled.config
    parts = compiled.program.words[at : at + instruction_words(config)]
    bits = sum(word << config.word_bits * i for i, word in enumerate(parts))
    return {name: bits >> field.offset & (1 << field.width) - 1 for name, field in layout if name != "opcode"}


def test_a_program_without_an_end_is_stopped_and_the_host_told():
    network, compiled = tiny_network()
    config = compiled.config
    image = compiled.pack_image(random_images(network, 1, 1)[0])
    # In the place of the first layer a jump to itself that is never done: it counts further than the engine's counter.
    words, size = list(compiled.program.words), instruction_words(config)
    at = next(i for i, word in enumerate(words) if word & 15 == Opcode.INPUT and i >= size) + size
    assert words[at] & 15 == Opcode.OPERAND
    whole = load_of(network, compiled)
    words[at : at + size] = encode(Opcode.LOOP, config, target=at, count=(1 << COORDINATE_BITS) - 1)
    words[-1] = closing_word(words[:-1], config)
    endless = load_payload(
        bytes(8), network.classes, replace(compiled, program=replace(compiled.program, words=words)).pack_program()
    )

    async def body(line):
        check(await line.ask(Frame.LOAD, 1, endless), Frame.LOAD)
        for _ in range(2):
            message = await line.ask(Frame.INFER, 2, image)
            assert message.payload == bytes([Error.OVERDUE.value | 8 | message.payload[0] & 16, LinkError.ENGINE])
        check(await line.ask(Frame.LOAD, 3, whole), Frame.LOAD)
        check(await line.ask(Frame.INFER, 4, image), Frame.INFER)

    run(LinkedEngine(config), body)


def edited(compiled, at, opcode, **fields):
    """Return the payload of a program with another instruction at a word, and a good checksum."""
    words, config = list(compiled.program.words), compiled.config
    words[at : at + instruction_words(config)] = encode(opcode, config, **fields)
    words[-1] = closing_word(words[:-1], config)
    program = replace(compiled.program, words=words)
    return load_payload(bytes(8), compiled.network.classes, replace(compiled, program=program).pack_program())


def places(compiled, opcode):
    """Return the words at which an instruction begins, none of those before the image's."""
    words, config = compiled.program.words, compiled.config
    size = instruction_words(config)
    begin = next(i for i in range(size, len(words)) if words[i] & 15 == Opcode.INPUT)
    return [i for i in range(begin, len(words) - size, 1) if words[i] & 15 == opcode]


def test_a_program_that_makes_fewer_logits_than_it_announces_is_told_and_the_link_goes_on():
    network, compiled = tiny_network()
    image = compiled.pack_image(random_images(network, 1, 1)[0])
    config = compiled.config
    ((at, fields),) = [
        (at, fields)
        for at in places(compiled, Opcode.RESULT)
        if (fields := decoded(compiled, at, RESULT))["classes"] == network.classes
    ]
    more = edited(compiled, at, Opcode.RESULT, **{**fields, "classes": (1 << config.class_bits) - 1})

    async def body(line):
        check(await line.ask(Frame.LOAD, 1, more), Frame.LOAD)
        await line.send(request(Frame.INFER, 2, image))
        message = await line.answer()
        assert message.payload == bytes([8 | message.payload[0] & 16, LinkError.ENGINE])
        check(await line.ask(Frame.LOAD, 3, load_of(network, compiled)), Frame.LOAD)
        check(await line.ask(Frame.INFER, 4, image), Frame.INFER)

    run(LinkedEngine(config), body)


@pytest.mark.parametrize("opcode", [Opcode.LOOP, Opcode.END])
def test_a_program_that_runs_in_circles_without_an_image_is_stopped(opcode):
    network, compiled = tiny_network()
    at = places(compiled, Opcode.INPUT)[0]
    fields = {"count": (1 << COORDINATE_BITS) - 1} if opcode is Opcode.LOOP else {}
    circles = edited(compiled, at, opcode, target=at, **fields)

    async def body(line):
        message = await line.ask(Frame.LOAD, 1, circles)
        assert message.payload == bytes([Error.OPCODE.value | 8 | message.payload[0] & 16, LinkError.ENGINE])
        check(await line.ask(Frame.LOAD, 2, load_of(network, compiled)), Frame.LOAD)

    run(LinkedEngine(compiled.config), body)


@pytest.mark.parametrize("opcode", [Opcode.STRIP, Opcode.LOOP])
def test_an_engine_without_strip_loops_stops_at_them(opcode):
    network, compiled = tiny_network()
    config = replace(compiled.config, strip_loops=False)
    compiled = compile_network(network, config)
    image = compiled.pack_image(random_images(network, 1, 1)[0])
    words, size = list(compiled.program.words), instruction_words(config)
    at = next(i for i, word in enumerate(words) if word & 15 == Opcode.INPUT and i >= size) + size
    assert words[at] & 15 == Opcode.OPERAND
    whole = load_of(network, compiled)
    fields = {"count": 0, "target": at + size} if opcode is Opcode.LOOP else {}
    steps = {f"{part}_step": 0 for part in ("input", "y", "output", "residual")}
    words[at : at + size] = encode(opcode, config, **(fields or steps))
    words[-1] = closing_word(words[:-1], config)
    foreign = load_payload(
        bytes(8), network.classes, replace(compiled, program=replace(compiled.program, words=words)).pack_program()
    )

    async def body(line):
        check(await line.ask(Frame.LOAD, 1, foreign), Frame.LOAD)
        message = await line.ask(Frame.INFER, 2, image)
        assert message.payload == bytes([Error.OPCODE.value | 8 | message.payload[0] & 16, LinkError.ENGINE])
        check(await line.ask(Frame.LOAD, 3, whole), Frame.LOAD)
        check(await line.ask(Frame.INFER, 4, image), Frame.INFER)

    run(LinkedEngine(config), body)


def test_a_frame_has_an_image_for_every_cluster():
    network = tiny_network()[0]
    config = replace(tiny_network()[1].config, program_words=256, clusters=2)
    compiled = compile_network(network, config)
    images = random_images(network, 1, 4)
    wanted = network.run(images)[network.logits.name].tolist()
    seen = []

    async def body(line):
        check(await line.ask(Frame.LOAD, 1, load_of(network, compiled, 2)), Frame.LOAD)
        await line.send(request(Frame.INFER, 2, b"".join(compiled.pack_image(image) for image in images)))
        for _ in range(2):
            seen.extend(read_answers(await line.answer(), network.classes, 2))

    run(LinkedEngine(config), body)
    assert [answer.logits for answer in seen] == wanted
    assert {answer.cycles for answer in seen} == {compiled.predicted_cycles}


def test_a_boot_stream_comes_before_the_host():
    dut = HostLink(b"", boot=True, depth=64, timeout=512)
    stored = request(Frame.SELF_TEST, 7, b"stored")

    async def testbench(ctx):
        line = Line(ctx, dut)
        await line.send(request(Frame.STATUS, 8))
        for byte in stored:
            ctx.set(dut.boot.valid, 1)
            ctx.set(dut.boot.payload, byte)
            await ctx.tick().until(dut.boot.ready)
            ctx.set(dut.boot.valid, 0)
        assert read_echo(await line.answer())[1] == b"stored"
        for _ in range(200):
            await line.step()
        assert not line.messages
        ctx.set(dut.boot_done, 1)
        assert (await line.answer()).sequence == 8

    simulate(dut, testbench)


def test_an_identification_is_longer_than_a_byte_counts():
    dut = HostLink(bytes(range(256)) + bytes(300), depth=64, timeout=512)

    async def testbench(ctx):
        message = await Line(ctx, dut).ask(Frame.IDENTIFY, 1)
        assert message.payload == bytes(12) + bytes(range(256)) + bytes(300)

    simulate(dut, testbench)
    with pytest.raises(ValueError, match="at most 1920 bytes, got 2000"):
        HostLink(bytes(2000))


@pytest.mark.parametrize("clusters", [1, 4, 16])
@pytest.mark.parametrize("timeout", [1 << 21, 0x2932E0, 0xFFFFFF])
@pytest.mark.parametrize("size", [0, 243, 300, 500, 1920])
def test_the_microprogram_has_room_whatever_its_constants_are(size, timeout, clusters):
    FrameLink(bytes(size), clusters=clusters, timeout=timeout)

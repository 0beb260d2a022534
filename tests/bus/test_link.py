"""Frames through the link and a small engine, byte by byte."""

from dataclasses import replace

import numpy as np
import pytest

from host.protocol import (
    answer_bytes,
    check,
    read_answers,
    read_counters,
    read_echo,
    read_identity,
    read_state,
    request,
)
from hw.bus import FrameLink, HostLink, look_clocks
from hw.bus.frame_types import Frame, LinkError
from hw.graph import Alphabet, Logits, Network, Tensor
from hw.systolic.compiler import compile_network
from hw.systolic.header_check import Error
from tests.bus.link_line import Line, load_of, run
from tests.hostile.linked_engine import LinkedEngine, tiny_network
from tests.strategies import random_images
from tests.systolic.support import simulate


@pytest.fixture(scope="module")
def small():
    network, compiled = tiny_network()
    images = random_images(network, 1, 2)
    logits = network.run(images)[network.logits.name]
    assert logits[0].tolist() != logits[1].tolist()
    return network, compiled, [compiled.pack_image(image) for image in images], logits.tolist()


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


def test_an_answer_waits_for_logits_that_take_long():
    # Each pair of columns multiplies 256 activations for its two logits, longer than the link sends those before.
    rng = np.random.default_rng(0)
    weight = rng.choice([-4, -2, -1, 0, 1, 2, 4], (4, 4, 1, 64)).astype(np.int32)
    image = Tensor("image", 4, 1, 64, 8, 0, 8)
    logits = Logits("logits", "image", weight, Alphabet.s3(3), np.arange(4, dtype=np.int64), 8)
    network = Network("long", "image", {"image": image}, (logits,))
    config = replace(tiny_network()[1].config, memory_words=1024, watchdog_bits=16, coordinate_bits=7)
    compiled = compile_network(network, config)
    picture = rng.integers(0, 256, (1, 4, 1, 64), dtype=np.uint8)

    async def body(line):
        check(await line.ask(Frame.LOAD, 1, load_of(network, compiled)), Frame.LOAD)
        message = await line.ask(Frame.INFER, 2, compiled.pack_image(picture[0]))
        (answer,) = read_answers(message, 4)
        assert answer.logits == network.run(picture)["logits"][0].tolist()

    run(LinkedEngine(config), body)


@pytest.mark.parametrize("registered", [False, True])
def test_a_frame_has_an_image_for_every_cluster(registered):
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

    run(LinkedEngine(config, registered=registered), body, pace=56 if registered else 24)
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


@pytest.mark.parametrize(("registered", "clusters"), [(False, 1), (True, 1), (False, 2), (True, 2)])
def test_a_load_that_stops_is_given_up_after_the_timeout(registered, clusters):
    timeout, clocks = 400, 0
    wanted = timeout * look_clocks(registered)

    async def testbench(ctx):
        nonlocal clocks
        await ctx.tick().repeat(8)
        line = Line(ctx, dut, 60)
        await line.send(request(Frame.LOAD, 1, bytes(40))[:20])
        while not line.messages:
            await line.step()
            clocks += 1
        assert line.messages[0].payload[1] == LinkError.TIMEOUT

    dut = HostLink(b"", clusters=clusters, depth=64, timeout=timeout, registered=registered)
    simulate(dut, testbench)
    assert wanted <= clocks < 1.1 * wanted


@pytest.mark.parametrize("clusters", [1, 4, 16])
@pytest.mark.parametrize("timeout", [1 << 21, 0x2932E0, 0xFFFFFF])
@pytest.mark.parametrize("size", [0, 243, 300, 500, 1920])
def test_the_microprogram_has_room_whatever_its_constants_are(size, timeout, clusters):
    FrameLink(bytes(size), clusters=clusters, timeout=timeout)

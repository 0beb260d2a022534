"""Programs that are wrong although their checksum is right: the link tells the host, and goes on."""

from dataclasses import replace

import pytest

from host.protocol import check, load_payload, request
from hw.bus.frame_types import Frame, LinkError
from hw.systolic.compiler import compile_network
from hw.systolic.header_check import Error
from hw.systolic.program import COORDINATE_BITS, RESULT, Opcode, closing_word, encode, instruction_words
from tests.bus.link_line import load_of, run
from tests.hostile.linked_engine import LinkedEngine, tiny_network
from tests.strategies import random_images


def edited(compiled, at, opcode, **fields):
    """Return the payload of a program with another instruction at a word, and a good checksum."""
    words, config = list(compiled.program.words), compiled.config
    words[at : at + instruction_words(config)] = encode(opcode, config, **fields)
    words[-1] = closing_word(words[:-1], config)
    program = replace(compiled.program, words=words)
    return load_payload(bytes(8), compiled.network.classes, replace(compiled, program=program).pack_program())


def begin(compiled):
    """Return the word of ``INPUT``; the first layer's ``OPERAND`` is behind it."""
    words, size = compiled.program.words, instruction_words(compiled.config)
    at = next(i for i in range(size, len(words)) if words[i] & 15 == Opcode.INPUT)
    assert words[at + size] & 15 == Opcode.OPERAND
    return at


def result_of_logits(compiled):
    """Return word and fields of the ``RESULT`` that announces the logits."""
    words, config = compiled.program.words, compiled.config
    size = instruction_words(config)
    for at in range(begin(compiled) + size, len(words) - size):
        bits = sum(word << config.word_bits * i for i, word in enumerate(words[at : at + size]))
        fields = {name: bits >> field.offset & (1 << field.width) - 1 for name, field in RESULT}
        if fields.pop("opcode") == Opcode.RESULT and fields["classes"] == compiled.network.classes:
            return at, fields
    raise AssertionError("no logits")


async def is_told(line, wrong, image, error):
    """Load a wrong program, and see that an image's answer is the engine's error."""
    check(await line.ask(Frame.LOAD, 1, wrong), Frame.LOAD)
    for _ in range(2):
        await line.send(request(Frame.INFER, 2, image))
        message = await line.answer()
        assert message.payload == bytes([error.value | 8 | message.payload[0] & 16, LinkError.ENGINE])


async def goes_on(line, network, compiled, image):
    """See that the right program runs behind it."""
    check(await line.ask(Frame.LOAD, 3, load_of(network, compiled)), Frame.LOAD)
    check(await line.ask(Frame.INFER, 4, image), Frame.INFER)


def told(network, compiled, wrong, error):
    """Run a wrong program and then the right one on the engine of the latter."""
    image = compiled.pack_image(random_images(network, 1, 1)[0])

    async def body(line):
        await is_told(line, wrong, image, error)
        await goes_on(line, network, compiled, image)

    run(LinkedEngine(compiled.config), body)


def test_a_program_without_an_end_is_stopped_and_the_host_told():
    network, compiled = tiny_network()
    # In the place of the first layer a jump to itself that is never done: it counts further than the engine's counter.
    at = begin(compiled) + instruction_words(compiled.config)
    endless = edited(compiled, at, Opcode.LOOP, target=at, count=(1 << COORDINATE_BITS) - 1)
    told(network, compiled, endless, Error.OVERDUE)


def test_a_program_that_makes_fewer_logits_than_it_announces_is_told_and_the_link_goes_on():
    network, compiled = tiny_network()
    at, fields = result_of_logits(compiled)
    more = edited(compiled, at, Opcode.RESULT, **{**fields, "classes": (1 << compiled.config.class_bits) - 1})
    told(network, compiled, more, Error.NONE)


@pytest.mark.parametrize("opcode", [Opcode.LOOP, Opcode.END])
def test_a_program_that_runs_in_circles_without_an_image_is_stopped(opcode):
    network, compiled = tiny_network()
    at = begin(compiled)
    fields = {"count": (1 << COORDINATE_BITS) - 1} if opcode is Opcode.LOOP else {}
    circles = edited(compiled, at, opcode, target=at, **fields)
    image = compiled.pack_image(random_images(network, 1, 1)[0])

    async def body(line):
        message = await line.ask(Frame.LOAD, 1, circles)
        assert message.payload == bytes([Error.OPCODE.value | 8 | message.payload[0] & 16, LinkError.ENGINE])
        await goes_on(line, network, compiled, image)

    run(LinkedEngine(compiled.config), body)


@pytest.mark.parametrize("opcode", [Opcode.STRIP, Opcode.LOOP])
def test_an_engine_without_strip_loops_stops_at_them(opcode):
    network, compiled = tiny_network()
    compiled = compile_network(network, replace(compiled.config, strip_loops=False))
    at = begin(compiled) + instruction_words(compiled.config)
    jump = {"count": 0, "target": at + instruction_words(compiled.config)}
    steps = {f"{part}_step": 0 for part in ("input", "y", "output", "residual")}
    foreign = edited(compiled, at, opcode, **(jump if opcode is Opcode.LOOP else steps))
    told(network, compiled, foreign, Error.OPCODE)

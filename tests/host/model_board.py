"""A board in Python: the link's replies, and networks by their reference."""

from __future__ import annotations

import hw.systolic.header_check as header_check
from host.protocol import FrameReader, answer_bytes, pack_lanes, reply
from host.sample_network import sample_network
from hw.bus.description import Description
from hw.bus.frame_types import DIGEST_BYTES, PREFIX_BYTES, REQUEST, Frame, LinkError
from hw.graph import digest
from hw.systolic.compiler import compile_network

Error = header_check.Error


class ModelBoard:
    """Answers requests as the gateware does; runs networks that it knows by their digest.

    ``storage`` bytes fit beyond the frame that is being answered, which happens when ``work`` is called; a byte more
    is counted in ``overruns``.
    """

    def __init__(self, config, networks, images, *, credit=256, link="uart"):
        self.config = config
        self.description = Description(config, "model", 40_000_000, credit, link, 3_000_000)
        self.reader = FrameReader(REQUEST)
        self.known = {bytes.fromhex(digest(n))[:DIGEST_BYTES]: n for n in networks}
        self.compiled = {key: compile_network(network, config) for key, network in self.known.items()}
        self.images = images
        self.digest = bytes(DIGEST_BYTES)
        self.loaded = False
        self.counts = [0, 0, 0]
        self.seen = []

    def state(self):
        return bytes([8 * self.loaded])

    def __call__(self, content):
        before = self.reader.damaged
        messages = self.reader.feed(content)
        self.counts[1] += self.reader.damaged - before
        return b"".join(self.answer(message) for message in messages)

    def error(self, message, reason):
        self.counts[1] += 1
        return reply(Frame.ERROR, message.sequence, self.state() + bytes([reason]))

    def answer(self, message):
        self.seen.append(message.kind)
        kind, payload = message.kind, message.payload
        content = self.state()
        if kind == Frame.LOAD:
            if len(payload) <= PREFIX_BYTES:
                return self.error(message, LinkError.LENGTH)
            self.digest, self.loaded = payload[:DIGEST_BYTES], True
            program = pack_lanes(self.compiled[self.digest].pack_program(), self.config.activation_bits)
            assert payload[PREFIX_BYTES:] == program
            content = self.state()
        elif kind == Frame.INFER:
            if not self.loaded:
                return self.error(message, LinkError.NO_NETWORK)
            content = self.infer(payload)
            self.counts[0] += 1
        elif kind == Frame.SELF_TEST:
            content += payload
        elif kind == Frame.IDENTIFY:
            network = self.known.get(self.digest)
            length = answer_bytes(network.classes, self.config.clusters) if network and self.loaded else 0
            content += self.digest + length.to_bytes(3, "little") + self.description.to_bytes()
        elif kind == Frame.COUNTERS:
            content += b"".join(n.to_bytes(4, "little") for n in (100, *self.counts))
        elif kind == Frame.RESET:
            self.loaded = False
            content = self.state()
        elif kind != Frame.STATUS:
            return self.error(message, LinkError.TYPE)
        return reply(kind, message.sequence, content)

    def infer(self, payload):
        network, compiled = self.known[self.digest], self.compiled[self.digest]
        size = len(payload) // self.config.clusters
        content = b""
        for i in range(self.config.clusters):
            part = payload[i * size : (i + 1) * size]
            found = next((image for image in self.images(network) if self.pack(compiled, image) == part), None)
            row = network.run(found[None])[network.logits.name][0]
            content += row.astype("<i4").tobytes() + int(row.argmax()).to_bytes(2, "little")
        return content + compiled.predicted_cycles.to_bytes(4, "little")

    def pack(self, compiled, image):
        return pack_lanes(compiled.pack_image(image), self.config.activation_bits)


def self_test_network(config, rng):
    """Return the network that a self-test with this generator loads."""
    rng.bytes(32)
    return sample_network(config, rng)

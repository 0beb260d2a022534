"""The host's end of a link in a simulation."""

from host.protocol import FrameReader, load_payload, request
from hw.bus.frame_types import Frame
from sim.runner import pack_memory
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


def load_of(network, compiled, clusters=1):
    return load_payload(b"\1\2\3\4\5\6\7\xa5", network.classes, pack_memory(compiled), clusters)

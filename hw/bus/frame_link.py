"""A framed protocol between a byte link and an engine; ``docs/protocol.md`` describes it."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bus.frame_types import PREFIX_BYTES, REQUEST
from hw.bus.link_cells import PREFIX
from hw.bus.link_program import link_program
from hw.bus.microcode import ADDRESS_BITS, ORDER_BITS, WORD, Condition, Kind, Order, Pointer, Source, Write
from hw.memory.main_memory import NO_COLLISION

POLYNOMIAL = 0x1021
"""Of CRC-16/IBM-3740, which begins with FFFF, so that a zero at the beginning is noticed too."""

LOGIT = data.StructLayout({"value": signed(32), "last": 1})


def look_clocks(registered: bool) -> int:
    """Return the clocks of a link's look for the next byte: five instructions, of which four act for two clocks.

    ``registered`` as of :class:`FrameLink`: every instruction then takes a clock more.
    """
    return 9 + 5 * registered


class FrameLink(wiring.Component):
    """Request frames in, reply frames out; drives the engine's ``run``, ``image``, ``logits`` and ``klass``.

    ::

                     ┌──────── microprogram ◄── conditions
                     ▼
          i ──┬──► source ──┬──► CRC-16 in, CRC-16 out
              │      ▲  ▲   ├──► o
              ▼      │  │   ▼
            image    │  └─ cells
                  logits, class, clocks

    What the link does is a microprogram in block RAM (:mod:`hw.bus.link_program`), which moves bytes between the host,
    a memory of cells and the engine; logic cells are what a small FPGA has least of. The cells also hold the
    description of the board.

    Parameters
    ----------
    blob : bytes
        Description of the board, which ends an identification.
    clusters : int
        Images of an inference, and answers of its reply.
    timeout : int
        Looks for the next byte until a frame is given up; a look takes :func:`look_clocks`, rarely more.
    registered : bool
        Whether a register follows the memories' outputs; an instruction then takes one clock more.
    prefix : bytes
        The first bytes of the load of a network that is in the engine's memory already; it runs after the reset.

    Ports
    -----
    i : stream of 8 bits, in
    o : stream of 8 bits, out
        ``ready``: there is room for 16 bytes more. It is looked at before every burst of fewer only.
    run, image, logits, klass, error, busy, cycles : to the engine, see :class:`~hw.systolic.engine.Engine`

    Raises
    ------
    ValueError
        If the description is larger than 1920 bytes.
    """

    def __init__(
        self,
        blob: bytes = b"",
        *,
        clusters: int = 1,
        timeout: int = 1 << 21,
        registered: bool = False,
        prefix: bytes = b"",
    ) -> None:
        if len(blob) > 1920:
            raise ValueError(f"the description of a board has at most 1920 bytes, got {len(blob)}")
        self.registered = registered
        self.words, self.cells, self.labels = link_program(blob, clusters=clusters, timeout=timeout)
        if len(prefix) not in (0, PREFIX_BYTES):
            raise ValueError(f"a load begins with {PREFIX_BYTES} bytes beside the program, got {len(prefix)}")
        self.loaded = bool(prefix)
        self.cells[PREFIX : PREFIX + len(prefix)] = prefix
        self._sent = Signal(16, name="sent")
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "run": Out(1),
                "image": Out(stream.Signature(8)),
                "logits": In(stream.Signature(LOGIT)),
                "klass": In(stream.Signature(16)),
                "error": In(3),
                "busy": In(1),
                "cycles": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.program = program = Memory(shape=WORD.size, depth=1 << ADDRESS_BITS, init=self.words)
        fetch = program.read_port()
        depth = max(512, 1 << (len(self.cells) - 1).bit_length())
        m.submodules.cells = cells = Memory(shape=8, depth=depth, init=self.cells, attrs=NO_COLLISION)
        write, read = cells.write_port(), cells.read_port()

        # The instruction that acts, and what its byte is. A branch and one that writes act for two clocks: what they
        # find out waits in flip-flops for the second. A byte's acts for nine, one for each bit from the second on.
        word, cell = Signal(WORD), Signal(8)
        acts, holds, started = Signal(), Signal(), Signal()
        m.d.sync += started.eq(1)
        if self.registered:
            late = Signal()
            m.d.comb += fetch.en.eq((acts & ~holds) | ~(started | late | acts))
            m.d.sync += [late.eq(fetch.en), acts.eq(late | (acts & holds)), cell.eq(read.data)]
            with m.If(late):
                m.d.sync += word.eq(fetch.data)
        else:
            # In the first clock the memory has not answered yet.
            m.d.comb += [acts.eq(started), word.eq(fetch.data), cell.eq(read.data), fetch.en.eq(~holds | ~started)]
        source = self._source(m, word.source, cell)

        is_order, is_byte, is_branch = (word.kind == kind for kind in (Kind.ORDER, Kind.BYTE, Kind.BRANCH))
        bit = Signal(3)
        ends, takes, gives, works, second = Signal(), Signal(), Signal(), Signal(), Signal()
        from_host = word.source == Source.INPUT
        writes = word.write != Write.NOTHING
        m.d.sync += [
            second.eq(acts & holds),
            ends.eq(works & (bit == 6)),
            takes.eq(works & (bit == 6) & from_host),
            gives.eq(works & (bit == 6) & ~from_host),
        ]
        m.d.comb += [
            works.eq(is_byte & second),
            holds.eq(Mux(is_byte, ~ends, (is_branch | writes) & ~second)),
            self.i.ready.eq(takes),
            self.o.valid.eq(gives),
            self.o.payload.eq(source),
        ]
        m.d.sync += bit.eq(bit + works)
        order = Signal(Order)
        with m.If(is_order & acts):
            m.d.comb += order.eq(word.cell[:ORDER_BITS])
        good = self._crcs(m, source, works, from_host, word.source, order)

        # The cells, and a byte that is one more or less on its way there.
        pointer = Signal(range(depth))
        address = Signal(range(depth))
        steps, points = (is_order & acts & (word.cell[ORDER_BITS:] & way).any() for way in (Pointer.STEP, Pointer.TAKE))
        more, less = word.write == Write.MORE, word.write == Write.LESS
        # One adder: the lowest bit is the carry into the others. It has its operand in the second clock; what is
        # written in the first is written over. Until the next instruction acts, the register tells of a zero.
        operand, total = Signal(8), Signal(9)
        with m.If(acts):
            m.d.sync += operand.eq(source)
        m.d.comb += [
            total.eq(Cat(more, operand) + Cat(more, less.replicate(8))),
            address.eq(Mux(is_order, pointer, word.cell)),
            read.addr.eq(address),
            read.en.eq(acts & ~holds),
            write.addr.eq(address),
            write.data.eq(total[1:]),
            write.en.eq(acts & writes),
        ]
        with m.If(steps & ~holds):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(points):
            m.d.sync += pointer.eq(cell)

        # The engine. It hears a clock later that its answer was taken; nobody looks for the next one before that.
        offered, takes_answer = Signal(), Signal()
        m.d.sync += takes_answer.eq(order == Order.TAKE)
        m.d.comb += [
            self.image.valid.eq(offered),
            self.image.payload.eq(self.i.payload),
            self.logits.ready.eq(takes_answer),
            self.klass.ready.eq(takes_answer & ~self.logits.valid),
        ]
        run = Signal()
        m.d.comb += self.run.eq(run)
        if self.loaded:
            # Not while the link is held in reset.
            with m.If(~started):
                m.d.sync += run.eq(1)
        with m.If(self.image.ready):
            m.d.sync += offered.eq(0)
        with m.Switch(order):
            with m.Case(Order.BEGIN_INPUT):
                m.d.sync += offered.eq(0)
            with m.Case(Order.OFFER):
                m.d.sync += offered.eq(1)
            with m.Case(Order.RUN):
                m.d.sync += run.eq(1)
            with m.Case(Order.STOP):
                m.d.sync += run.eq(0)

        # What comes next. What the source was is known in the next instruction.
        magic, returns_to = Signal(), Signal(8)
        with m.If(acts):
            m.d.sync += magic.eq(self.i.payload == REQUEST)
        with m.If(order == Order.RETURN_TO):
            m.d.sync += returns_to.eq(cell)
        conditions: dict[int, Value] = {
            Condition.HAVE: self.i.valid,
            Condition.MAGIC: magic,
            Condition.ZERO: ~operand.any(),
            Condition.GOOD: good,
            Condition.ROOM: self.o.ready,
            Condition.OFFERED: offered,
            Condition.LOGITS: self.logits.valid,
            Condition.LAST: self.logits.payload.last,
            Condition.KLASS: self.klass.valid,
            Condition.ERROR: self.error.any(),
            Condition.BUSY: self.busy,
            Condition.RUN: run,
            # The others of its bits are in the place of the next address, which is 0.
            Condition.RETURN: returns_to[0],
        }
        # One of each four is chosen in a branch's first clock, one of these four in its second.
        looked, returns, of_four = Signal(), Signal(), Signal(4)
        looks = is_branch & acts & ~second
        for i in range(4):
            asked = Array(conditions.get(4 * i + j, Const(0)) for j in range(4))
            m.d.sync += of_four[i].eq(asked[word.source[:2]])
        m.d.sync += [looked.eq(looks), returns.eq(looks & (word.source == Condition.RETURN))]
        holds_true = looked & of_four.bit_select(word.source[2:], 1)
        base = word.next | Mux(returns, returns_to[1:] << 1, 0) | holds_true
        m.d.comb += fetch.addr.eq(Mux(started, base, 0))
        return m

    def _source(self, m: Module, number: Value, cell: Value) -> Signal:
        """Return the byte that an instruction names; a clock late if it is only sent, as that choice takes long."""
        far, source = Signal(8), Signal(8)
        logit, klass = self.logits.payload.value, self.klass.payload
        bytes_: dict[int, Value] = {Source.LOGIT + i: logit.as_unsigned()[8 * i : 8 * i + 8] for i in range(4)}
        bytes_ |= {Source.KLASS + i: klass.word_select(i, 8) for i in range(2)}
        bytes_ |= {Source.CYCLES + i: self.cycles.word_select(i, 8) for i in range(4)}
        bytes_ |= {Source.CRC_HIGH: ~self._sent[8:], Source.CRC_LOW: ~self._sent[:8]}
        bytes_ |= {Source.STATE: Cat(self.error, self.run, self.busy)}
        # Of a number that is not sent it may be anything.
        found = [bytes_.get(case, bytes_[Source.CRC_LOW]) for case in range(16)]
        if self.registered:
            # The engine is far away on a large device: one of each four waits in the link.
            of_four = Array(Signal(8, name=f"of_four{i}") for i in range(4))
            for i, part in enumerate(of_four):
                m.d.sync += part.eq(Array(found[4 * i : 4 * i + 4])[number[:2]])
            m.d.comb += far.eq(of_four[number[2:]])
        else:
            m.d.sync += far.eq(Array(found)[number])
        near = {Source.CELL: cell, Source.INPUT: self.i.payload, Source.NOTHING: Const(0, 8)}
        chosen = [Mux(number == case, value, 0) for case, value in near.items()]
        is_far = ~Cat(number == case for case in near).any()
        m.d.comb += source.eq(chosen[0] | chosen[1] | Mux(is_far, far, 0))
        return source

    def _crcs(self, m: Module, source: Value, works: Value, from_host: Value, number: Value,
              order: Value) -> Value:  # fmt: skip
        """Take the source's bits into the CRC of what comes, or of what goes; return whether the former is 0.

        A clock late, so that not everything is on one path. The bytes of a CRC itself are not taken in. Both CRCs are
        kept inverted, so that they begin with 0, as an iCE40's flip-flops do by themselves.
        """
        received, sent = Signal(16), self._sent
        byte, begun, comes, goes = Signal(8), Signal(), Signal(), Signal()
        is_crc = (number == Source.CRC_HIGH) | (number == Source.CRC_LOW)
        m.d.sync += [
            begun.eq(works),
            byte.eq(Mux(begun, byte << 1, source)),
            comes.eq(works & from_host),
            goes.eq(works & ~from_host & ~is_crc),
        ]
        for crc, moves, order_ in ((received, comes, Order.BEGIN_INPUT), (sent, goes, Order.BEGIN_OUTPUT)):
            # A clock late too, well before the first byte's bits.
            begins = Signal()
            m.d.sync += begins.eq(order == order_)
            with m.If(moves):
                m.d.sync += crc.eq(Cat(1, crc[:15]) ^ Mux(crc[15] ^ ~byte[7], POLYNOMIAL, 0))
            with m.If(begins):
                m.d.sync += crc.eq(0)
        good = Signal()
        m.d.comb += good.eq(received.all())
        return good

"""A framed protocol between a byte link and an engine; ``docs/protocol.md`` describes it."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bus.frame_types import PREFIX_BYTES, REQUEST
from hw.bus.link_program import PREFIX, link_program
from hw.bus.microcode import ADDRESS_BITS, ORDER_BITS, WORD, Condition, Kind, Order, Pointer, Source, Write
from hw.memory.main_memory import NO_COLLISION

POLYNOMIAL = 0x1021
"""Of CRC-16/IBM-3740, which begins with FFFF, so that a zero at the beginning is noticed too."""

LOGIT = data.StructLayout({"value": signed(32), "last": 1})


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
        Looks for the next byte until a frame is given up; a look takes 4 clocks and more.
    registered : bool
        Whether a register follows the memories' outputs; an instruction then takes two clocks.
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

        # The instruction that acts, and what its byte is. A byte's instruction acts for eight clocks.
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
        ends, works = Signal(), Signal()
        from_host = word.source == Source.INPUT
        m.d.comb += [
            works.eq(is_byte & acts),
            ends.eq(bit == 7),
            holds.eq(is_byte & ~ends),
            self.i.ready.eq(works & ends & from_host),
            self.o.valid.eq(works & ends & ~from_host),
            self.o.payload.eq(source),
        ]
        m.d.sync += bit.eq(bit + works)
        order = Signal(Order)
        with m.If(is_order & acts):
            m.d.comb += order.eq(word.cell[:ORDER_BITS])
        good = self._crcs(m, source, bit, works, from_host, word.source, order)

        # The cells, and a byte that is one more or less on its way there.
        pointer = Signal(range(depth))
        address = Signal(range(depth))
        steps, takes = (is_order & acts & (word.cell[ORDER_BITS:] == way) for way in (Pointer.STEP, Pointer.TAKE))
        more, less = word.write == Write.MORE, word.write == Write.LESS
        # One adder: the lowest bit is the carry into the others.
        changed = Signal(10)
        m.d.comb += [
            changed.eq(Cat(more, source) + Cat(more, less.replicate(8))),
            address.eq(Mux(is_order, pointer, word.cell)),
            read.addr.eq(address),
            read.en.eq(acts & ~holds),
            write.addr.eq(address),
            write.data.eq(changed[1:9]),
            write.en.eq(acts & (word.write != Write.NOTHING)),
        ]
        with m.If(steps):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(takes):
            m.d.sync += pointer.eq(source)

        # The engine.
        offered = Signal()
        m.d.comb += [
            self.image.valid.eq(offered),
            self.image.payload.eq(self.i.payload),
            self.logits.ready.eq(order == Order.TAKE),
            self.klass.ready.eq((order == Order.TAKE) & ~self.logits.valid),
        ]
        run = Signal()
        m.d.comb += self.run.eq(run)
        if self.loaded:
            # Not while the link is held in reset.
            with m.If(~started):
                m.d.sync += run.eq(1)
        returns_to = Signal(8)
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
            with m.Case(Order.RETURN_TO):
                m.d.sync += returns_to.eq(source)

        # What comes next. What the source was is known in the next instruction.
        zero, magic = Signal(), Signal()
        with m.If(acts):
            m.d.sync += [zero.eq(source == 0), magic.eq(source == REQUEST)]
        conditions: dict[int, Value] = {
            Condition.HAVE: self.i.valid,
            Condition.MAGIC: magic,
            Condition.ZERO: zero,
            Condition.OFFERED: offered,
            Condition.RUN: run,
        }
        # What comes from afar is seen a clock late: the way from there to the program's address would be long. No
        # branch looks at it in the clock behind an action that changes it.
        afar = {
            Condition.GOOD: good,
            Condition.ROOM: self.o.ready,
            Condition.LOGITS: self.logits.valid,
            Condition.LAST: self.logits.payload.last,
            Condition.KLASS: self.klass.valid,
            Condition.ERROR: self.error.any(),
            Condition.BUSY: self.busy,
        }
        for condition, value in afar.items():
            conditions[condition] = seen = Signal(name=f"seen_{condition.name.lower()}")
            m.d.sync += seen.eq(value)
        # In four groups, and the address's lowest bit last: a table too many on this path is a slower board. The kept
        # names hold the synthesis to this order.
        select = Signal(4)
        groups = Signal(4, attrs={"keep": 1})
        holds_true, base = Signal(attrs={"keep": 1}), Signal(ADDRESS_BITS)
        m.d.comb += select.eq(word.source)
        for g in range(4):
            chosen = [conditions.get(number, Const(0)) for number in range(4 * g, 4 * g + 4)]
            m.d.comb += groups[g].eq(Array(chosen)[select[:2]])
        m.d.comb += [holds_true.eq(groups.bit_select(select[2:], 1)), base.eq(Mux(started, word.next, 0))]
        branches = Signal()
        m.d.comb += branches.eq(is_branch & started)
        with m.If(is_branch & (word.source == Condition.RETURN)):
            m.d.comb += [base.eq(Mux(started, returns_to, 0)), branches.eq(0)]
        m.d.comb += fetch.addr.eq(base | (branches & holds_true))
        return m

    def _source(self, m: Module, number: Value, cell: Value) -> Signal:
        """Return the byte that an instruction names."""
        source = Signal(8)
        logit, klass = self.logits.payload.value, self.klass.payload
        bytes_: dict[int, Value] = {Source.CELL: cell, Source.INPUT: self.i.payload}
        bytes_ |= {Source.LOGIT + i: logit.as_unsigned()[8 * i : 8 * i + 8] for i in range(4)}
        bytes_ |= {Source.KLASS + i: klass.word_select(i, 8) for i in range(2)}
        bytes_ |= {Source.CYCLES + i: self.cycles.word_select(i, 8) for i in range(4)}
        bytes_ |= {Source.CRC_HIGH: ~self._sent[8:], Source.CRC_LOW: ~self._sent[:8]}
        bytes_ |= {Source.STATE: Cat(self.error, self.run, self.busy)}
        with m.Switch(number):
            for case, value in bytes_.items():
                with m.Case(case):
                    m.d.comb += source.eq(value)
        return source

    def _crcs(self, m: Module, source: Value, bit: Value, works: Value, from_host: Value, number: Value,
              order: Value) -> Value:  # fmt: skip
        """Take the source's bits into the CRC of what comes, or of what goes; return whether the former is 0.

        A clock late, so that not everything is on one path. The bytes of a CRC itself are not taken in. Both CRCs are
        kept inverted, so that they begin with 0, as an iCE40's flip-flops do by themselves.
        """
        received, sent = Signal(16), self._sent
        data_bit, comes, goes = Signal(), Signal(), Signal()
        is_crc = (number == Source.CRC_HIGH) | (number == Source.CRC_LOW)
        m.d.sync += [
            data_bit.eq(source[::-1].bit_select(bit, 1)),
            comes.eq(works & from_host),
            goes.eq(works & ~from_host & ~is_crc),
        ]
        for crc, moves, begins in ((received, comes, Order.BEGIN_INPUT), (sent, goes, Order.BEGIN_OUTPUT)):
            with m.If(moves):
                m.d.sync += crc.eq(Cat(1, crc[:15]) ^ Mux(crc[15] ^ ~data_bit, POLYNOMIAL, 0))
            with m.If(order == begins):
                m.d.sync += crc.eq(0)
        good = Signal()
        m.d.comb += good.eq(received.all())
        return good

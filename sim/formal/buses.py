"""Bus ports answer every access once, and reach registers with those accesses only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth import Cat, Const, Mux, Signal, Value
from amaranth.lib import wiring

from hw.bus.axi_lite import AxiLiteSlave, Response
from hw.bus.bus_engine import REGISTER_ACCESS
from hw.bus.register_file import RegisterFile
from hw.bus.registers import READABLE, REGISTERS, WRITABLE, registers
from hw.bus.registers import constants as constant_values
from hw.bus.wishbone import WishboneSlave
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem
from sim.formal.streams import keeps, logits_config


def _file(h: Harness, *, data: bool) -> RegisterFile:
    """Return the registers of a bus, whose hardware the prover plays."""
    file = RegisterFile(registers(data=data), constant_values(logits_config(registered=False), data=data))
    h.module.submodules.registers = file
    own = {"read", "read_address", "write", "write_address", "write_data", "write_mask"}
    for name, member in file.signature.members.items():
        if member.flow is wiring.In and name not in own:
            h.drive(Value.cast(getattr(file, name)), name)
    return file


def _one_of(address: Value, kinds: frozenset[Any], *, data: bool) -> Value:
    """Return whether a word address is that of a register with a field of these kinds, by the list itself."""
    found: Value = Const(0)
    for register in REGISTERS:
        if (data or not register.data) and any(field.access in kinds for field in register.fields):
            found = found | (address == register.address >> 2)
    return found


def wishbone_harness(*, pipelined: bool, slave: Callable[..., WishboneSlave] = WishboneSlave) -> Harness:
    """Let a master begin accesses whenever it likes, and give up before the answer."""
    h = Harness()
    m = h.module
    m.submodules.dut = dut = slave(pipelined=pipelined)
    file = _file(h, data=True)
    wiring.connect(m, dut.registers, file_port := _port(h, file))
    bus = dut.bus
    for name in ("adr", "dat_w", "we", "sel", "cyc", "stb"):
        h.drive(getattr(bus, name), name)
    asks = bus.cyc & bus.stb
    answers = bus.ack | bus.err
    # An access of a classic master ends with its answer, one of a pipelined master is a clock.
    waiting = Signal()
    begins = asks if pipelined else asks & ~waiting
    m.d.sync += waiting.eq(begins)
    allowed = Mux(bus.we, _one_of(bus.adr, WRITABLE, data=True), _one_of(bus.adr, READABLE, data=True))
    still = bus.cyc if pipelined else asks
    h.claim("an access is answered in the next clock, and nothing else is", answers == (waiting & still))
    h.claim("an answer is either ack or err", ~(bus.ack & bus.err))
    h.claim("it is ack where the register allows the access, else err", ~answers | (bus.ack == h.past(allowed)))
    h.claim("no answer without a cycle", ~answers | bus.cyc)
    h.claim("a pipelined master never waits", ~bus.stall)
    h.claim(
        "registers see every access once, and no other",
        (file_port.write == (begins & bus.we)) & (file_port.read == (begins & ~bus.we)),
    )
    h.claim("a register takes the bytes that are selected", _scratch(h, file, begins & bus.we, bus))
    return h


def _port(h: Harness, file: RegisterFile) -> Any:
    """Return the file's side of the accesses."""
    port = REGISTER_ACCESS.flip().create()
    for name, member in REGISTER_ACCESS.members.items():
        inner, outer = getattr(file, name), getattr(port, name)
        h.module.d.comb += inner.eq(outer) if member.flow is wiring.Out else outer.eq(inner)
    return port


def _scratch(h: Harness, file: RegisterFile, write: Value, bus: Any) -> Value:
    address = next(register.address for register in REGISTERS if register.name == "scratch")
    bits = Cat(*(bit.replicate(8) for bit in bus.sel))
    hit = write & (bus.adr == address >> 2)
    after = Mux(hit, file.scratch_value & ~bits | bus.dat_w & bits, file.scratch_value)
    return h.begins | (file.scratch_value == h.past(after))


def axi_lite_harness(slave: Callable[[], AxiLiteSlave] = AxiLiteSlave) -> Harness:
    """Let a manager do anything that the rule of its channels allows."""
    h = Harness()
    m = h.module
    fragment, held = inside(dut := slave())
    m.submodules.dut = fragment
    file = _file(h, data=False)
    wiring.connect(m, dut.registers, port := _port(h, file))
    bus = dut.bus
    for name, member in bus.signature.members.items():
        if member.flow is wiring.In:
            h.drive(getattr(bus, name), name)

    class Channel:
        def __init__(self, prefix: str, *payload: str) -> None:
            self.valid, self.ready = getattr(bus, f"{prefix}valid"), getattr(bus, f"{prefix}ready")
            self.payload = Cat(*(getattr(bus, name) for name in payload))
            self.moves = self.valid & self.ready

    aw, w = Channel("aw", "awaddr"), Channel("w", "wdata", "wstrb")
    b, ar, r = Channel("b", "bresp"), Channel("ar", "araddr"), Channel("r", "rdata", "rresp")
    for channel in (aw, w, ar):
        h.assume(keeps(h, channel))

    def level(more: Value, less: Value, name: str) -> Signal:
        count = Signal(3, name=name)
        m.d.sync += count.eq(count + more - less)
        return count

    # Addresses, words and reads that were taken, and those that are not yet answered.
    addresses, words = level(aw.moves, b.moves, "addresses"), level(w.moves, b.moves, "words")
    reads = level(ar.moves, r.moves, "reads")
    h.claim("an answer to a write is kept until it is taken", keeps(h, b))
    h.claim("an answer to a read is kept until it is taken", keeps(h, r))
    h.claim("a write is answered when its address and word are there", ~bus.bvalid | (addresses != 0) & (words != 0))
    h.claim("a read is answered when its address is there", ~bus.rvalid | (reads != 0))
    h.claim("as many are inside as are held", (addresses <= 2) & (words <= 2) & (reads <= 2))
    h.claim("an address is taken if one is missing", bus.awready | (addresses == 1 + bus.bvalid))
    h.claim("a word is taken if one is missing", bus.wready | (words == 1 + bus.bvalid))
    h.claim("a read is taken if none is waiting", bus.arready | (reads == 1 + bus.rvalid))
    h.claim(
        "nothing is inside that is not held",
        (addresses == bus.bvalid + ~bus.awready) & (reads == bus.rvalid + ~bus.arready),
    )
    h.claim("no word is inside that is not held", words == bus.bvalid + ~bus.wready)
    # The address that the next answer is for.
    old = Signal(12)
    with m.If(aw.moves):
        m.d.sync += old.eq(bus.awaddr)
    good = _one_of(old[2:], WRITABLE, data=False) & (old[:2] == 0)
    h.claim("a write's address is held as it was taken", bus.awready | (held["address"] == old))
    answers = bus.bvalid & ~h.past(bus.bvalid & ~bus.bready)
    h.claim(
        "a write is an error unless the register allows it", ~answers | ((bus.bresp == Response.OKAY) == h.past(good))
    )
    h.claim(
        "only a write that is answered reaches the registers",
        h.begins | (h.past(port.write) == (answers & (bus.bresp == Response.OKAY))),
    )
    wanted = Signal(12)
    with m.If(ar.moves):
        m.d.sync += wanted.eq(bus.araddr)
    readable = _one_of(wanted[2:], READABLE, data=False) & (wanted[:2] == 0)
    h.claim("a read's address is held as it was taken", bus.arready | (held["read_address"] == wanted))
    given = bus.rvalid & ~h.past(bus.rvalid & ~bus.rready)
    h.claim(
        "a read is an error unless the register allows it", ~given | ((bus.rresp == Response.OKAY) == h.past(readable))
    )
    h.claim(
        "only a read that is answered reaches the registers",
        h.begins | (h.past(port.read) == (given & (bus.rresp == Response.OKAY))),
    )
    return h


THEOREMS = {
    "Wishbone, classic": Theorem(
        "a classic Wishbone port answers every strobe once, with err where there is no such register",
        lambda: wishbone_harness(pipelined=False), Mode.INDUCTION, 4,
    ),
    "Wishbone, pipelined": Theorem(
        "a pipelined Wishbone port answers every strobe once, with err where there is no such register",
        lambda: wishbone_harness(pipelined=True), Mode.INDUCTION, 4,
    ),
    "AXI4-Lite": Theorem(
        "an AXI4-Lite port answers every access once, with SLVERR where there is no such register",
        axi_lite_harness, Mode.INDUCTION, 6,
    ),
}  # fmt: skip
"""Of every bus."""

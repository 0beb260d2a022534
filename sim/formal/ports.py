"""Memory ports: nobody needs one that is taken, and what is read is what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth import Cat, Const, Signal, Value

from hw.memory import MainMemory
from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.output_stage import OutputStage
from hw.systolic.port_schedule import PortSchedule
from hw.systolic.program import ResidualMode
from sim.formal.harness import Harness
from sim.formal.prove import Mode, Theorem

SPRAM_MODEL = Path(__file__).parents[1] / "models" / "sb_spram256ka.v"


def port_schedule_harness(
    config: EngineConfig, schedule: Callable[[EngineConfig], PortSchedule] = PortSchedule
) -> Harness:
    """Run schedule and output stage together, under a sequencer and an address generator that do what they may.

    In every clock the prover may read an instruction or a word of weights where the schedule says that the port is
    free, or else issue a slot where it says so; a slot of a last pass only if it was announced in the clock before. The
    output stage then asks for the residual read and the write of that slot itself. Layers change when nothing is under
    way.
    """
    h = Harness()
    m = h.module
    m.submodules.schedule = dut = schedule(config)
    m.submodules.output = output = OutputStage(config)
    mode = h.free(2, "residual_mode")
    stores = h.free(1, "stores")
    fetches, issues, announced = h.free(1, "fetches"), h.free(1, "issues"), h.free(1, "next_is_last")
    h.assume((mode == ResidualMode.NONE) | (mode == ResidualMode.ADD) | (mode == ResidualMode.MAXIMUM))
    h.assume(config.max_pool or mode != ResidualMode.MAXIMUM)
    last = h.past(announced)
    slot = issues & dut.slot_free & ~(fetches & dut.read_free)
    m.d.comb += [
        dut.residual_mode.eq(mode),
        output.residual_mode.eq(mode),
        dut.stores.eq(stores),
        output.logits.eq(~stores),
        dut.next_is_last.eq(announced),
        dut.issue_last.eq(slot & last),
        output.last.eq(slot & last),
    ]
    # A layer's registers change while the slots of the one before are stored, some clocks before the next slot.
    under_way = timing.write(config) + 1
    quiet = Signal(range(under_way + 4), init=under_way + 3)
    with m.If(slot):
        m.d.sync += quiet.eq(0)
    with m.Elif(quiet != under_way + 3):
        m.d.sync += quiet.eq(quiet + 1)
    changes = ~h.begins & ((mode != h.past(mode)) | (stores != h.past(stores)))
    h.assume(~changes | (quiet >= under_way))
    settling = Signal(range(4), init=3)
    with m.If(changes):
        m.d.sync += settling.eq(3)
    with m.Elif(settling != 0):
        m.d.sync += settling.eq(settling - 1)
    h.assume(~issues | (settling == 0) & ~changes)

    reads = fetches & dut.read_free
    users = [reads, slot, output.residual_due]
    if config.single_port:
        users.append(output.results_valid)
    h.claim("the port is used once a clock at most", _at_most_one(users))
    # Sums stay until the requantisers have taken them.
    share = config.columns_per_requantizer
    soon = [h.past(slot & last, clocks) for clocks in range(1, share)]
    h.claim("slots behind a last one keep their distance", ~slot | ~Cat(*soon, Const(0)).any())
    return h


def _at_most_one(signals: list[Value]) -> Value:
    result: Value = Const(1)
    for i, one in enumerate(signals):
        for other in signals[:i]:
            result = result & ~(one & other)
    return result


def main_memory_harness(
    *,
    word_bits: int,
    depth: int,
    lane_bits: int,
    single_port: bool,
    registered: bool,
    column_bits: int | None = None,
    late_data: bool = False,
    memory: Callable[..., MainMemory] = MainMemory,
) -> Harness:
    """Compare what is read from any address with what was written there last, lane by lane."""
    h = Harness()
    m = h.module
    m.submodules.dut = dut = memory(
        word_bits, depth, lane_bits, single_port=single_port, registered=registered, column_bits=column_bits,
        late_data=late_data,
    )  # fmt: skip
    for name in ("read_address", "write_enable", "write_address", "write_data", "write_mask"):
        h.drive(getattr(dut, name), name)
    reads = h.free(1, "reads")
    if single_port:
        h.assume(~(reads & dut.write_enable))
    else:
        # Nobody reads a word in the clock in which it is written.
        h.assume(~(reads & dut.write_enable & (dut.read_address == dut.write_address)))
    address = h.constant(len(dut.read_address), "address")
    word = Signal(word_bits)
    known = Signal(word_bits // lane_bits)
    writes, write_mask = dut.write_enable & (dut.write_address == address), dut.write_mask
    if late_data:
        writes, write_mask = h.past(writes), h.past(write_mask)
    mask = Cat(*(bit.replicate(lane_bits) for bit in write_mask))
    # With the write whose data are there in this clock, which is one of the clock before if they are late.
    after, known_after = Signal.like(word), Signal.like(known)
    m.d.comb += [after.eq(word), known_after.eq(known)]
    with m.If(writes):
        m.d.comb += [after.eq(_select(mask, dut.write_data, word)), known_after.eq(known | write_mask)]
    m.d.sync += [word.eq(after), known.eq(known_after)]
    asked = h.past(reads & (dut.read_address == address), dut.cycles())
    now, sure_now = (after, known_after) if late_data else (word, known)
    lanes = Cat(*(bit.replicate(lane_bits) for bit in sure_now))
    wanted, sure = h.past(now, dut.cycles()), h.past(lanes, dut.cycles())
    h.claim("a read gives what was written last", ~asked | ((dut.read_data & sure) == (wanted & sure)))
    return h


def _select(mask: Value, one: Value, other: Value) -> Value:
    return (one & mask) | (other & ~mask)


def schedule_theorem(
    name: str, config: EngineConfig, schedule: Callable[[EngineConfig], PortSchedule] = PortSchedule
) -> Theorem:
    """Return the theorem for an engine."""
    return Theorem(
        f"{name}: a memory port is never used twice in a clock",
        lambda: port_schedule_harness(config, schedule),
        Mode.INDUCTION,
        timing.write(config) + 6,
    )


def memory_theorem(name: str, clocks: int, **fields: Any) -> Theorem:
    """Return the theorem for a memory, ``clocks`` from the beginning on."""
    script = f"read_verilog {SPRAM_MODEL}\n" if fields["single_port"] else ""
    return Theorem(
        f"{name} gives back what was written last", lambda: main_memory_harness(**fields), Mode.BOUNDED, clocks, script
    )

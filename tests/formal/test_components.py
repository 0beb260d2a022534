"""Proofs of the components, and of each one that it notices a fault. Quick ones here, all others in full runs."""

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal

from hw.bus.lane_splitter import LaneSplitter
from hw.bus.uart import UartReceiver, UartTransmitter
from hw.graph import Alphabet
from hw.memory import MainMemory
from hw.systolic import timing
from hw.systolic.config import MemoryKind
from hw.systolic.logit_output import LogitOutput
from hw.systolic.port_schedule import PortSchedule
from hw.systolic.processing_element import CellPair
from hw.systolic.requantizer import Requantizer
from hw.systolic.stream_register import StreamRegister
from sim.formal import cell_pair, ports, requantizer, streams
from sim.formal.prove import Mode, Theorem, prove
from sim.formal.theorems import ENGINES, QUICK, THEOREMS
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


class SumOfFirst(CellPair):
    """The sign of the lower weight is forgotten."""

    def elaborate(self, platform):
        # The codes are those of a pair with equal signs.
        inner = CellPair(self.activation_bits, self.alphabet)
        m = Module()
        m.submodules.inner = inner
        m.d.comb += [
            inner.a0.eq(self.a0),
            inner.a1.eq(self.a1),
            inner.code0.eq(self.code0),
            inner.code1.eq(self.code1[:-1]),
            inner.capture.eq(self.capture),
            self.total.eq(inner.total),
        ]
        return m


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
    assert "total = w0·a0 + w1·a1" in reason and "a0 = 0xf" in reason or "held" in reason


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
    assert "kept until it is taken" in refuted(theorem) or "as many are inside" in refuted(theorem)


def test_the_proof_of_the_lane_splitter_notices_a_byte_that_is_taken_early():
    def fault(splitter, m):
        m.d.comb += splitter.i.ready.eq(splitter.o.ready)

    theorem = Theorem("a fault", lambda: streams.lane_splitter_harness(faulty(LaneSplitter, fault)), Mode.INDUCTION, 3)
    assert "taken with its second lane" in refuted(theorem)


def test_the_proof_of_logits_notices_a_buffer_that_is_filled_too_far():
    class Full(LogitOutput):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            m.d.comb += self.room.eq(1)
            return m

    config = replace(SMALL, registered_ram=False, argmax=False)
    theorem = Theorem("a fault", lambda: streams.logit_output_harness(config, 4, Full), Mode.BOUNDED, 20)
    assert "" != refuted(theorem)


def test_the_proof_of_the_schedule_notices_a_slot_without_reservation():
    class Careless(PortSchedule):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            m.d.comb += self.slot_free.eq(1)
            return m

    config = make_config(memory=MemoryKind.SPRAM, columns_per_requantizer=2, memory_words=16384)
    assert "used once a clock" in refuted(ports.schedule_theorem("a fault", config, Careless))


def test_the_proof_of_memories_notices_a_lane_that_is_written_without_its_mask():
    class Careless(MainMemory):
        def elaborate(self, platform):
            m = Module()
            m.submodules.inner = inner = MainMemory(
                self.word_bits, self.depth, self.lane_bits, single_port=False, registered=self.registered
            )
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
    assert "written last" in refuted(ports.memory_theorem("a fault", 7, **fields, memory=Careless))

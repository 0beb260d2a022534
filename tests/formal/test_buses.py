"""The proofs of bus ports notice a fault; that they hold is in ``test_components``."""

from hw.bus.axi_lite import AxiLiteSlave
from hw.bus.register_file import RegisterFile
from hw.bus.wishbone import WishboneSlave
from sim.formal import buses
from sim.formal.prove import Mode, Theorem
from tests.formal.support import faulty, refuted


def wishbone(fault, *, pipelined=False):
    harness = lambda: buses.wishbone_harness(pipelined=pipelined, slave=faulty(WishboneSlave, fault))  # noqa: E731
    return refuted(Theorem("a fault", harness, Mode.INDUCTION, 4))


def axi_lite(fault):
    harness = lambda: buses.axi_lite_harness(faulty(AxiLiteSlave, fault))  # noqa: E731
    return refuted(Theorem("a fault", harness, Mode.INDUCTION, 6))


def test_an_acknowledge_without_an_access_is_noticed():
    def fault(slave, m):
        with m.If(slave.bus.cyc & ~slave.bus.stb & (slave.bus.adr == 77)):
            m.d.comb += slave.bus.ack.eq(1)

    assert "nothing else is" in wishbone(fault)


def test_an_access_that_is_never_answered_is_noticed():
    def fault(slave, m):
        with m.If(slave.bus.adr == 0x17):
            m.d.comb += slave.bus.ack.eq(0)

    assert "answered in the next clock" in wishbone(fault)
    assert "answered in the next clock" in wishbone(fault, pipelined=True)


def test_an_access_that_is_made_twice_is_noticed():
    def fault(slave, m):
        m.d.comb += slave.registers.read.eq(slave.bus.cyc & slave.bus.stb & ~slave.bus.we)

    assert "registers see every access once" in wishbone(fault)


def test_an_unmapped_address_that_is_acknowledged_is_noticed(monkeypatch):
    def fault(file, m):
        with m.If(file.read_address == 0x18):
            m.d.comb += file.readable.eq(1)

    monkeypatch.setattr(buses, "RegisterFile", faulty(RegisterFile, fault))
    assert "ack where the register allows" in wishbone(lambda slave, m: None)


def test_a_strobe_that_is_ignored_is_noticed(monkeypatch):
    def fault(file, m):
        with m.If(file.write & (file.write_address == 6) & (file.write_mask == 4)):
            m.d.sync += file.scratch_value.eq(file.write_data)

    monkeypatch.setattr(buses, "RegisterFile", faulty(RegisterFile, fault))
    assert "bytes that are selected" in wishbone(lambda slave, m: None)


def test_an_answer_that_is_withdrawn_is_noticed():
    def fault(slave, m):
        with m.If(slave.bus.bvalid & slave.bus.arvalid):
            m.d.sync += slave.bus.bvalid.eq(0)

    assert "answer to a write is kept" in axi_lite(fault)


def test_a_misaligned_address_that_is_answered_okay_is_noticed():
    def fault(slave, m):
        with m.If(slave.bus.awaddr == 0x1A):
            m.d.sync += slave.bus.bresp.eq(0)

    assert "a write is an error unless" in axi_lite(fault)


def test_an_erroneous_read_that_takes_a_word_is_noticed():
    def fault(slave, m):
        with m.If(slave.registers.read_address == 0x3FF):
            m.d.comb += slave.registers.read.eq(1)

    assert "only a read that is answered" in axi_lite(fault)

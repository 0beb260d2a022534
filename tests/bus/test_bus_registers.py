"""Random accesses to every register against a model of the register map."""

import random

import pytest

from hw.bus.core_verilog import Bus
from hw.bus.registers import REGISTERS, Access, Register, constants, registers
from hw.bus.registers import Field as RegisterField
from sim.bus_simulation import run_operations
from tests.bus.designs import ADDRESS, EVENT, tiny

CONTENT = {Access.READ_WRITE, Access.CLEAR}
UNTOUCHED = {"control", "data", "data_last"}


class Model:
    """What the registers of a stopped engine hold."""

    def __init__(self, config, bus):
        fixed = constants(config, data=bus.data)
        self.map = {register.address: register for register in registers(data=bus.data)}
        self.words = {register.address: 0 for register in REGISTERS}
        for address, register in self.map.items():
            for field in register.fields:
                self.words[address] |= fixed.get(f"{register.name}.{field.name}", 0) << field.low
        self.words[ADDRESS["data_space"]] = 16

    def write(self, address, word, mask):
        register = self.map.get(address)
        if register is None or not any(field.access in CONTENT for field in register.fields):
            return False
        bits = sum(0xFF << 8 * i for i in range(4) if mask >> i & 1)
        for field in register.fields:
            touched = field.mask & bits
            if field.access is Access.READ_WRITE:
                self.words[address] = self.words[address] & ~touched | word & touched
            elif field.access is Access.CLEAR:
                self.words[address] &= ~(word & touched)
        return True

    def read(self, address):
        register = self.map.get(address)
        if register is None or register.fields[0].access is Access.PUSH:
            return None
        word = self.words[address]
        if register.fields[0].access is Access.POP:
            self.words[ADDRESS["events"]] |= EVENT["logit_empty"]
        return word


def random_accesses(model, bus, seed, count):
    """Return operations and what the model says to each."""
    rng = random.Random(seed)
    near = [address for address in ADDRESS.values() if model.map.get(address, REGISTERS[0]).name not in UNTOUCHED]
    kept = [a for a in near if a in model.map and any(f.access in CONTENT for f in model.map[a].fields)]
    operations, expected = [], []
    for i in range(count):
        if i % 50 == 0:
            operations.append(["pause", seed + i, rng.choice([0.0, 0.2, 0.6])])
            expected.append(None)
        kind = rng.randrange(10)
        address = rng.choice(near) if kind else rng.randrange(0, 4096, 4)
        if kind == 1 and bus is Bus.AXI:
            address += rng.randrange(1, 4)
        if model.map.get(address) and model.map[address].name in UNTOUCHED:
            continue
        if rng.random() < 0.6:
            if kind > 2:
                address = rng.choice(kept)
            word, mask = rng.getrandbits(32), rng.randrange(16)
            operations.append(["write", address, word, mask])
            expected.append(model.write(address, word, mask))
        else:
            operations.append(["read", address])
            expected.append(model.read(address))
    for address in sorted(model.map):
        if model.map[address].name not in UNTOUCHED:
            operations.append(["read", address])
            expected.append(model.read(address))
    return operations, expected


CASES = [
    (Bus.AXI, {}),
    (Bus.WISHBONE, {}),
    pytest.param(Bus.AXI, {"stream_bytes": 1}, marks=pytest.mark.full),
    pytest.param(Bus.WISHBONE, {"pipelined": True}, marks=pytest.mark.full),
]


@pytest.mark.parametrize(("bus", "options"), CASES)
def test_every_register_behaves_as_its_description_says(simulation, bus, options):
    config = tiny()[0].config
    operations, expected = random_accesses(Model(config, bus), bus, 5, 1500)
    found = run_operations(simulation(config, bus, **options), bus, operations, pipelined=options.get("pipelined"))
    for operation, value, result in zip(operations, expected, found, strict=True):
        assert result == value, operation
    errors = sum(value is None or value is False for value in expected)
    assert 100 < errors < len(expected) / 2


def test_reads_and_writes_at_once_do_not_disturb_each_other(simulation):
    config = tiny()[0].config
    rng = random.Random(3)
    operations, expected, scratch = [["pause", 1, 0.3]], [None], 0
    for _ in range(200):
        word = rng.getrandbits(32)
        operations.append(["both", [ADDRESS["scratch"], word, 15], ADDRESS["magic"]])
        expected.append([True, 0x54464853])
        operations.append(["both", [ADDRESS["magic"], 1, 15], ADDRESS["scratch"]])
        scratch = word
        expected.append([False, scratch])
    assert run_operations(simulation(config, Bus.AXI), Bus.AXI, operations) == expected


def test_a_map_with_overlapping_fields_is_refused():
    one = RegisterField("one", 0, 8, Access.READ, "")
    with pytest.raises(ValueError, match="field two overlaps"):
        Register("r", 0, "", (one, RegisterField("two", 7, 2, Access.READ, "")))
    with pytest.raises(ValueError, match="field two overlaps another one or bit 32"):
        Register("r", 0, "", (one, RegisterField("two", 31, 2, Access.READ, "")))
    with pytest.raises(ValueError, match="address 0x3 is no multiple of 4"):
        Register("r", 3, "", (one,))


def test_addresses_and_names_are_unique():
    assert len({register.address for register in REGISTERS}) == len(REGISTERS)
    assert len({register.name for register in REGISTERS}) == len(REGISTERS)

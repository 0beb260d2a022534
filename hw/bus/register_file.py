"""The registers as gateware, generated from their description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.registers import Access, Register

ADDRESS_BITS = 10
"""Bits of a word address: 1024 words of 4 bytes."""


class RegisterFile(wiring.Component):
    """Decodes addresses, keeps what a bus writes, and shows the hardware's values.

    Parameters
    ----------
    registers : sequence of Register
        What is there.
    constants : mapping of str to int
        Values of the constant fields by ``register.field``.

    Ports
    -----
    read, read_address : in; a read of a word address (10 bits), which is one access: it takes a word out of a FIFO
    read_data : 32 bits, out; of the last read, a clock later; 0 if it hit nothing
    readable : out; whether ``read_address`` can be read
    write, write_address, write_data, write_mask : in; a write of the bytes (4) of ``write_mask``
    writable : out; whether ``write_address`` can be written
    register_field : in for fields of the hardware (of ``CLEAR``: sets it), out for the bus's
    register_field_lower : in; clears a field that the hardware may clear
    register_push : out; the word of ``write_data`` and its ``write_mask`` are for the FIFO
    register_pop : out; the word of ``register_field`` was taken
    reset : in; all fields that the bus does not write get their reset value

    Latency
    -------
    A write is seen a clock later.
    """

    def __init__(self, registers: Sequence[Register], constants: Mapping[str, int] = {}) -> None:
        self.registers = registers
        self.constants = constants
        members: dict[str, Any] = {
            "read": In(1),
            "read_address": In(ADDRESS_BITS),
            "read_data": Out(32),
            "readable": Out(1),
            "write": In(1),
            "write_address": In(ADDRESS_BITS),
            "write_data": In(32),
            "write_mask": In(4),
            "writable": Out(1),
            "reset": In(1),
        }
        for register in registers:
            for field in register.fields:
                name = f"{register.name}_{field.name}"
                if field.access in (Access.READ, Access.POP):
                    members[name] = In(field.width)
                if field.access is Access.CLEAR:
                    members[f"{name}_set"] = In(field.width)
                if field.access in (Access.READ_WRITE, Access.CLEAR, Access.PULSE):
                    members[name] = Out(field.width, init=field.reset)
                if field.lowered:
                    members[f"{name}_lower"] = In(1)
                if field.access is Access.PUSH:
                    members[f"{register.name}_push"] = Out(1)
                if field.access is Access.POP:
                    members[f"{register.name}_pop"] = Out(1)
        super().__init__(members)

    def cycles(self) -> int:
        """Return the clocks from a read to its data."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = Cat(*(byte.replicate(8) for byte in self.write_mask))
        word = Signal(32)
        found = Signal(32)
        m.d.comb += word.eq(self.write_data & bits)
        with m.If(self.read):
            m.d.sync += self.read_data.eq(found)
        for register in self.registers:
            hit, hit_read = Signal(name=f"{register.name}_hit"), Signal(name=f"{register.name}_read")
            with m.If(self.write_address == register.address // 4):
                m.d.comb += [self.writable.eq(register.writable), hit.eq(self.write & register.writable)]
            with m.If(self.read_address == register.address // 4):
                m.d.comb += [
                    self.readable.eq(register.readable),
                    hit_read.eq(self.read & register.readable),
                    found.eq(self._contents(register)),
                ]
            for field in register.fields:
                name = f"{register.name}_{field.name}"
                new, mask = word[field.low :][: field.width], bits[field.low :][: field.width]
                if field.access is Access.READ_WRITE:
                    value = getattr(self, name)
                    with m.If(hit):
                        m.d.sync += value.eq((value & ~mask) | new)
                    if field.lowered:
                        with m.If(getattr(self, f"{name}_lower") | self.reset):
                            m.d.sync += value.eq(0)
                elif field.access is Access.CLEAR:
                    value = getattr(self, name)
                    # What happens in the clock of the clearing is not lost.
                    m.d.sync += value.eq((value & ~Mux(hit, new, 0)) | getattr(self, f"{name}_set"))
                    with m.If(self.reset):
                        m.d.sync += value.eq(field.reset)
                elif field.access is Access.PULSE:
                    m.d.sync += getattr(self, name).eq(Mux(hit, new, 0))
                elif field.access is Access.PUSH:
                    m.d.comb += getattr(self, f"{register.name}_push").eq(hit)
                elif field.access is Access.POP:
                    m.d.comb += getattr(self, f"{register.name}_pop").eq(hit_read)
        return m

    def _contents(self, register: Register) -> Value:
        word: Value = Const(0, 32)
        for field in register.fields:
            if field.access is Access.CONSTANT:
                value: Value = Const(self.constants[f"{register.name}.{field.name}"], field.width)
            elif field.access in (Access.PUSH, Access.PULSE):
                continue
            else:
                value = getattr(self, f"{register.name}_{field.name}")
            word = word | (value << field.low)
        return word[:32]

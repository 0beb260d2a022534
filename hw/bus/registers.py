"""The registers of an engine on a bus: the one description that gateware, documents and drivers are made from.

``amaranth-soc`` has such descriptions too, but its package on PyPI is an empty placeholder (version 0), so it cannot
be a dependency.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hw.systolic.config import EngineConfig
from hw.systolic.program import VERSION as PROGRAM_VERSION
from hw.systolic.program import alphabet_number, code_number

MAP_VERSION = 1
"""Version of this register map; a driver refuses any other."""

MAGIC = 0x54464853
"""Contents of the first register: ``SHFT`` in the order of the bytes."""

WINDOW_BYTES = 4096
"""Bytes of the address space of an engine; accesses that hit no register are answered with an error."""


class Access(enum.Enum):
    """What a bus may do with a field, and what that does."""

    CONSTANT = "constant"
    """Read only, a parameter of the engine."""

    READ = "read"
    """Read only; the hardware's."""

    READ_WRITE = "read, write"
    """Read and written by the bus."""

    CLEAR = "read, write 1 to clear"
    """Set by the hardware, cleared where a 1 is written."""

    PULSE = "write 1, reads 0"
    """A 1 written is seen by the hardware for one clock."""

    PUSH = "write only, into a FIFO"
    """The word goes into a FIFO, with the bytes that the bus selects."""

    POP = "read only, out of a FIFO"
    """A read takes the word out of a FIFO."""


READABLE = frozenset({Access.CONSTANT, Access.READ, Access.READ_WRITE, Access.CLEAR, Access.PULSE, Access.POP})
"""A register with such a field can be read."""

WRITABLE = frozenset({Access.READ_WRITE, Access.CLEAR, Access.PULSE, Access.PUSH})
"""A register with such a field can be written."""


@dataclass(frozen=True)
class Field:
    """Some bits of a register.

    Attributes
    ----------
    name : str
        In lower case.
    low, width : int
        Lowest bit and number of bits.
    access : Access
        What the bus may do.
    text : str
        What it means.
    reset : int
        Value after reset; a constant's is :func:`constants`'.
    lowered : bool
        Of a field that the bus writes: the hardware may clear it.
    """

    name: str
    low: int
    width: int
    access: Access
    text: str
    reset: int = 0
    lowered: bool = False

    @property
    def mask(self) -> int:
        """The field's bits in its register."""
        return (1 << self.width) - 1 << self.low


@dataclass(frozen=True)
class Register:
    """A register of 32 bits.

    Attributes
    ----------
    name : str
        In lower case.
    address : int
        Byte address, a multiple of 4.
    text : str
        What it is for.
    fields : tuple of Field
        From the lowest bit on; bits of no field read 0 and are not written.
    data : bool
        Only there where data goes through registers too (Wishbone).
    """

    name: str
    address: int
    text: str
    fields: tuple[Field, ...]
    data: bool = False

    def __post_init__(self) -> None:
        end = 0
        if self.address % 4 or not 0 <= self.address < WINDOW_BYTES:
            raise ValueError(f"register {self.name}: address {self.address:#x} is no multiple of 4 below 4096")
        for field in self.fields:
            if field.low < end or field.low + field.width > 32:
                raise ValueError(f"register {self.name}: field {field.name} overlaps another one or bit 32")
            end = field.low + field.width

    @property
    def readable(self) -> bool:
        """Whether a read is answered without an error."""
        return any(field.access in READABLE for field in self.fields)

    @property
    def writable(self) -> bool:
        """Whether a write is answered without an error."""
        return any(field.access in WRITABLE for field in self.fields)


def _whole(name: str, address: int, access: Access, text: str, width: int = 32, *, data: bool = False) -> Register:
    """Return a register of one field."""
    return Register(name, address, text, (Field("value", 0, width, access, text),), data)


EVENTS: tuple[tuple[str, str], ...] = (
    ("result", "an image was answered: class, cycles and, on Wishbone, logits can be read"),
    ("engine_error", "the engine stopped with the error of STATUS"),
    ("not_loaded", "CONTROL.run was set without a whole program; it is 0 again"),
    ("program_size", "the last byte of a program came early or late; there is no program now"),
    ("image_size", "the last byte of an image came early or late; it gets no answer, the next one does"),
    ("dropped", "bytes of an image were dropped, since the engine was stopped by an error or by CONTROL.run"),
    ("data_full", "DATA was written while its FIFO was full; the word is lost"),
    ("logit_empty", "LOGIT was read while its FIFO was empty; 0 was returned"),
)
"""Names and meaning of the bits of EVENTS and INTERRUPT_ENABLE, from bit 0 on."""

REGISTERS: tuple[Register, ...] = (
    _whole("magic", 0x00, Access.CONSTANT, f"{MAGIC:#x}, the letters SHFT"),
    Register("version", 0x04, "Versions; a driver refuses others.", (
        Field("map", 0, 8, Access.CONSTANT, "version of this register map"),
        Field("program", 8, 8, Access.CONSTANT, "version of the program format"),
        Field("data", 16, 1, Access.CONSTANT, "1 if data goes through registers (Wishbone), 0 for AXI4-Stream"),
    )),
    Register("shape", 0x08, "Shape of the engine; a program is compiled for one shape.", (
        Field("rows", 0, 8, Access.CONSTANT, "rows of the array"),
        Field("cols", 8, 8, Access.CONSTANT, "columns of the array"),
        Field("activation_bits", 16, 4, Access.CONSTANT, "bits of an activation: 8, or 4 (two share a byte)"),
        Field("clusters", 24, 8, Access.CONSTANT, "arrays that work on an image each"),
    )),
    Register("alphabet", 0x0C, "Which weights a cell knows.", (
        Field("number", 0, 6, Access.CONSTANT, "number of the alphabet, as in a program's header"),
        Field("code_bits", 8, 4, Access.CONSTANT, "bits of a weight's code; 7 more: every product has a sign"),
    )),
    _whole("memory_words", 0x10, Access.CONSTANT, "words of the memory for maps (and the program)", 17),
    _whole("program_words", 0x14, Access.CONSTANT, "words of the program memory, 0 if it is a part of the other", 17),
    _whole("scratch", 0x18, Access.READ_WRITE, "nothing; for the test of a bus"),
    Register("control", 0x1C, "What the engine is to do.", (
        Field("run", 0, 1, Access.READ_WRITE, "1: take images. 0: stop; what comes is a program", lowered=True),
        Field("reset", 8, 1, Access.PULSE, "as after power-up, but for the fields that the bus writes other than run"),
    )),
    Register("status", 0x20, "What the engine does.", (
        Field("busy", 0, 1, Access.READ, "an inference is running"),
        Field("loaded", 1, 1, Access.READ, "a whole program was loaded"),
        Field("wanted", 2, 1, Access.READ, "an image can be sent, and nothing else is under way"),
        Field("result", 3, 1, Access.READ, "the same as EVENTS.result"),
        Field("running", 4, 1, Access.READ, "the engine runs its program"),
        Field("error", 8, 3, Access.READ, "why the engine stopped: 0 it did not, 1 version, 2 shape, 3 instruction, "
              "4 checksum, 5 watchdog"),
    )),
    Register("events", 0x24, "What happened since a bit was last cleared.", tuple(
        Field(name, bit, 1, Access.CLEAR, text) for bit, (name, text) in enumerate(EVENTS)
    )),
    Register("interrupt_enable", 0x28, "The interrupt is high while a bit is 1 here and in EVENTS.", tuple(
        Field(name, bit, 1, Access.READ_WRITE, f"EVENTS.{name} interrupts") for bit, (name, _) in enumerate(EVENTS)
    )),
    _whole("program_bytes", 0x2C, Access.READ_WRITE, "bytes of the program that is sent next", 24),
    _whole("image_bytes", 0x30, Access.READ_WRITE, "bytes of an image", 24),
    _whole("cycles", 0x34, Access.READ, "clocks of the last inference"),
    _whole("stalls", 0x38, Access.READ, "clocks in which the engine waited for bytes of an image that had begun"),
    _whole("images", 0x3C, Access.READ, "images answered"),
    _whole("class", 0x40, Access.READ, "class of the last image; 0xFFFF from an engine that leaves it to the host", 16),
    _whole("digest_low", 0x44, Access.READ_WRITE, "digest of the loaded network, written by the driver"),
    _whole("digest_high", 0x48, Access.READ_WRITE, "its upper half"),
    _whole("data_space", 0x4C, Access.READ, "words that DATA takes now", 8, data=True),
    _whole("data", 0x50, Access.PUSH, "bytes of a program or an image, the lowest one first", data=True),
    _whole("data_last", 0x54, Access.PUSH, "the same; the highest byte selected is the last one", data=True),
    _whole("logits_waiting", 0x58, Access.READ, "logits that LOGIT holds", 8, data=True),
    _whole("logit", 0x5C, Access.POP, "the next logit, signed, in class order", data=True),
)  # fmt: skip
"""All registers, by address."""


def registers(*, data: bool) -> tuple[Register, ...]:
    """Return the registers of a bus: with ``data`` those that data goes through too."""
    return tuple(register for register in REGISTERS if data or not register.data)


def constants(config: EngineConfig, *, data: bool) -> dict[str, int]:
    """Return the value of every constant field by ``register.field``."""
    return {
        "magic.value": MAGIC,
        "version.map": MAP_VERSION,
        "version.program": PROGRAM_VERSION,
        "version.data": int(data),
        "shape.rows": config.rows,
        "shape.cols": config.cols,
        "shape.activation_bits": config.activation_bits,
        "shape.clusters": config.clusters,
        "alphabet.number": alphabet_number(config.alphabet),
        "alphabet.code_bits": code_number(config),
        "memory_words.value": config.memory_words,
        "program_words.value": config.program_words,
    }

"""The layer program: a linear stream of instructions, constants and weights in main memory.

Version 8. Every instruction is 64 bits, stored in ``ceil(64 / word_bits)`` consecutive memory words, least
significant word first; the opcode is in the lowest four bits. ``docs/program.md`` describes the format.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping, Sequence

from amaranth.lib import data
from amaranth.lib.crc import Algorithm, catalog

from hw.graph import Alphabet
from hw.systolic.config import EngineConfig

VERSION = 8
"""Version of the program format; an engine refuses any other."""

INSTRUCTION_BITS = 64
"""Size of an instruction, and the most an output constant may take."""

CHECKSUM = catalog.CRC16_CMS
"""The CRC of a program's lanes, highest bit first. Frames of the link have another polynomial: what one does not find,
the other does."""

MOST_WORDS = (1 << 16) - 1
"""Memory words of a program, at most."""

COORDINATE_BITS = 11
"""Width of map coordinates and sizes. Coordinates are signed: a window may start outside the map."""


class Opcode(enum.IntEnum):
    """The instructions."""

    HEADER = 0
    CONSTANTS = 1
    INPUT = 2
    LOOP = 3
    OPERAND = 4
    RESULT = 5
    TILE = 6
    PASS = 7
    STRIP = 8
    END = 9
    VIEW = 10


class ResidualMode(enum.IntEnum):
    """What a layer does with its second operand."""

    NONE = 0
    ADD = 1
    MAXIMUM = 2


HEADER = data.StructLayout(
    {"opcode": 4, "version": 8, "rows": 8, "cols": 8, "activation_bits": 4, "code_bits": 4, "alphabet": 6, "words": 16}
)
"""Says what the program was compiled for. An engine of another shape or version stops with an error.

``code_bits`` is :func:`code_number`, ``alphabet`` :func:`alphabet_number`, ``words`` the program's length, its checksum
(:func:`closing_word`) included.
"""

CONSTANTS = data.StructLayout({"opcode": 4, "count": 16, "table": 1})
"""``count`` output constants follow (:func:`constant_layout`), in the order of the requantisers; or the entries of the
table, from that of 0 on, each in the place of a constant's lowest bits."""

INPUT = data.StructLayout(
    {
        "opcode": 4,
        "address": 16,
        "width": COORDINATE_BITS,
        "height": COORDINATE_BITS,
        "pad_left": 3,
        "pad_right": 3,
        "channels": 4,
        "window": 4,
        "step": 4,
        "zero_point": 4,
    }
)
"""Take an image: each row is padded, and every ``step`` pixels the last ``window`` pixels make a word.

``width`` counts the real pixels of a row, ``channels`` is the channels of a pixel less one; padding has the
value ``2^(zero_point - 1)``, or 0. With 8 (:data:`TWO_PLANES`) added to ``zero_point`` every row comes twice, the
high bits of its activations and then the low ones, and makes two rows in memory; ``height`` counts both, and the low
ones are padded with 0.
"""

TWO_PLANES = 8
"""Bit of ``INPUT``'s ``zero_point``: the image comes in two planes, row by row (an engine with ``image_planes`` 2)."""

OPERAND = data.StructLayout(
    {
        "opcode": 4,
        "cols": COORDINATE_BITS,
        "rows": COORDINATE_BITS,
        "x_step": 14,
        "row_step": 16,
        "stride_x": 4,
        "stride_y": 4,
    }
)
"""Begins a layer, once the results of the one before are stored: how its passes walk over the input map.

``cols``/``rows`` are the output pixels of a strip; ``x_step`` the words from an operand to the next one of its row,
``row_step`` those from a row's last operand to the next row's first (modulo ``2^16``: it may lie before; with ``VIEW``,
in an engine that is ``circular``, from a row's first operand), ``stride_*``
the steps from operand to operand and from row to row in input coordinates. Strips start again from the first.
"""

RESULT = data.StructLayout(
    {
        "opcode": 4,
        "width": COORDINATE_BITS,
        "height": COORDINATE_BITS,
        "border": 8,
        "maximum": 8,
        "residual": 2,
        "residual_shift": 5,
        "classes": 10,
        "measured": 1,
        "table": 1,
    }
)
"""What else the passes of a layer share.

``width``/``height`` are the input map's size (outside of it an operand is ``border``). ``maximum`` is the largest
stored activation. ``residual_shift`` counts from the engine's ``min_residual_shift``. ``classes`` is 0 except in the
layer that makes the logits, which are sent out, not stored. ``measured``: the sums of the results' four phases are
taken (:class:`~hw.systolic.phase_norms.PhaseNorms`). ``table``: the results of requantiser 0 go through
the table.
"""

VIEW = data.StructLayout({"opcode": 4, "x_wrap": 16, "y_wrap": 16, "x_phase": 12, "y_phase": 16})
"""Behind ``RESULT``: the layer's input map wraps around, and is one phase of a larger one.

An operand whose column is ``width`` or more (then the map's width less ``stride_x``) is followed by one ``x_wrap``
words on, in place of ``x_step``; a row of ``height`` or more by one ``y_wrap`` words on, from first operand to first.
All operands are ``x_phase`` words further on where the last measured map's largest phase has odd columns, and
``y_phase`` words where it has odd rows. Words are counted modulo ``2^16``.
"""

TILE = data.StructLayout(
    {
        "opcode": 4,
        "output": 16,
        "output_step": 8,
        "residual": 16,
        "residual_step": 8,
        "constants": 10,
        "lane_set": 2,
    }
)
"""Where the results of the following last pass go: ``output + n * output_step`` for output pixel ``n``."""

PASS = data.StructLayout(
    {
        "opcode": 4,
        "address": 16,
        "x": COORDINATE_BITS,
        "y": COORDINATE_BITS,
        "first": 1,
        "last": 1,
        "weights": 1,
        "low": 1,
        "shift_sums": 1,
    }
)
"""Stream all pixels of the strip through one tile of weights; ``weight_words`` words of weights follow if ``weights``.

``x``, ``y`` are the (signed) input coordinates of the first operand, ``first`` starts the sums at zero,
``last`` sends them to the requantisers.
``low`` passes multiply the low bits of an image in two planes: outside the map an operand is 0. ``shift_sums`` first
multiplies the partial sums by ``2^activation_bits``: the first low pass, after those of the high bits.
"""

STRIP = data.StructLayout(
    {"opcode": 4, "input_step": 16, "y_step": COORDINATE_BITS, "output_step": 16, "residual_step": 16}
)
"""Move all addresses of the layer's passes and tiles on to the next strip."""

LOOP = data.StructLayout({"opcode": 4, "target": 16, "count": COORDINATE_BITS})
"""Go on at ``target``, ``count`` times; then go on behind."""

END = data.StructLayout({"opcode": 4, "target": 16})
"""The inference is complete; go on at ``target`` (the ``INPUT`` instruction)."""

LAYOUTS: Mapping[Opcode, data.StructLayout] = {
    Opcode.HEADER: HEADER,
    Opcode.CONSTANTS: CONSTANTS,
    Opcode.INPUT: INPUT,
    Opcode.LOOP: LOOP,
    Opcode.OPERAND: OPERAND,
    Opcode.RESULT: RESULT,
    Opcode.TILE: TILE,
    Opcode.PASS: PASS,
    Opcode.STRIP: STRIP,
    Opcode.END: END,
    Opcode.VIEW: VIEW,
}

_SIGNED = ("x", "y")


def alphabet_number(alphabet: Alphabet) -> int:
    """Return a header's number of an alphabet: kind (0 with zero, 1 without, 2 integers) and largest shift."""
    kind = 2 if not alphabet.shifts else 0 if alphabet.has_zero else 1
    return kind << 4 | alphabet.max_shift


def code_number(config: EngineConfig) -> int:
    """Return a header's number of the weights' codes: their bits, and 7 more where signs are apart."""
    return config.alphabet.bits + 7 * config.signs_apart


def closing_word(words: Sequence[int], config: EngineConfig) -> int:
    """Return the last word of a program, which brings the CRC-16 of all lanes (:data:`CHECKSUM`) to zero.

    It finds any change within 16 neighbouring bits, and any other, two exchanged words or a missing end among them,
    but for one in 65,536.
    """
    a, rows = config.activation_bits, config.rows
    # The CRC itself is in as many of the highest lanes as it takes, behind zeros.
    last = -(-CHECKSUM.crc_width // a)
    register = CHECKSUM(a).compute([*lanes(words, config), *[0] * (rows - last)])
    spare = last * a - CHECKSUM.crc_width
    if spare:
        fields = {**vars(CHECKSUM), "initial_crc": register}
        register = Algorithm(**fields)(spare).compute([0])
    parts = [register >> a * i & (1 << a) - 1 for i in reversed(range(last))]
    return sum(part << a * (rows - last + i) for i, part in enumerate(parts))


def instruction_words(config: EngineConfig) -> int:
    """Return the number of memory words an instruction takes."""
    return -(-INSTRUCTION_BITS // config.word_bits)


def encode(opcode: Opcode, config: EngineConfig, **fields: int) -> list[int]:
    """Return an instruction's memory words.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or does not fit its width.
    """
    places = _places(opcode)
    values = {"opcode": int(opcode), **{name: int(value) for name, value in fields.items()}}
    if values.keys() != places.keys():
        raise ValueError(f"{opcode.name}: fields {sorted(places.keys() ^ values.keys())} missing or unknown")
    bits = 0
    for name, (offset, width, signed) in places.items():
        value = values[name]
        low, high = (-(1 << width - 1), 1 << width - 1) if signed else (0, 1 << width)
        if not low <= value < high:
            raise ValueError(f"{opcode.name}: {name} = {value} does not fit {width} bits")
        bits |= (value & (1 << width) - 1) << offset
    return split(bits, INSTRUCTION_BITS, config.word_bits)


@functools.cache
def _places(opcode: Opcode) -> dict[str, tuple[int, int, bool]]:
    """Return offset, width, and whether it is signed, of every field of an instruction."""
    return {str(name): (field.offset, field.width, str(name) in _SIGNED) for name, field in LAYOUTS[opcode]}


def split(bits: int, size: int, word_bits: int) -> list[int]:
    """Return ``size`` bits as memory words, least significant first."""
    return [(bits >> at) & (1 << word_bits) - 1 for at in range(0, size, word_bits)]


def lanes(words: Sequence[int], config: EngineConfig) -> bytes:
    """Return memory words in the order of the image stream while the engine is stopped: lane by lane, one a byte."""
    a, rows = config.activation_bits, config.rows
    mask = (1 << a) - 1
    return bytes(word >> (a * lane) & mask for word in words for lane in range(rows))


@functools.cache
def factor_layout(config: EngineConfig) -> data.StructLayout:
    """Layout of a factor ``2^j + t``: ``two_terms``, ``subtract``, ``shift`` (j - 1)."""
    return data.StructLayout({"two_terms": 1, "subtract": 1, "shift": 2})


def scale_bits(config: EngineConfig) -> int:
    """Width in bits of the scale shift ``P``."""
    return max(1, config.max_scale_shift.bit_length())


@functools.cache
def constant_layout(config: EngineConfig) -> data.StructLayout:
    """Layout of a channel's output constants in memory: the addend ``B``, the scale shift ``P`` and the factor."""
    return data.StructLayout(
        {"addend": config.scaled_width, "scale_shift": scale_bits(config), "factor": factor_layout(config)}
    )


@functools.cache
def constant_words(config: EngineConfig) -> int:
    """Memory words of one channel's output constants."""
    return int(-(-constant_layout(config).size // config.word_bits))

"""Words of the link's microprogram, and their assembler.

An instruction names the next one itself, so there is no program counter to add to. A branch sets the lowest bit of that
address; the assembler puts both ways side by side, and copies an instruction where two branches lead to it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.lib import data

ADDRESS_BITS = 9
"""Of a microprogram's address."""

CELL_BITS = 7
"""Of the address of a cell that an instruction names."""


class Source(enum.IntEnum):
    """Where an instruction's byte comes from; all but the first three are for bytes that are sent only."""

    CELL = 0
    INPUT = 1
    NOTHING = 2
    CRC_LOW = 3
    LOGIT = 4  # and the three after it, lowest byte first
    KLASS = 8  # and the one after it
    STATE = 10
    CRC_HIGH = 11
    CYCLES = 12  # and the three after it


class Condition(enum.IntEnum):
    """What a branch asks; ``RETURN`` goes on where the return register says."""

    NEVER = 0
    HAVE = 1
    MAGIC = 2
    ZERO = 3  # of the byte of the instruction before
    GOOD = 4
    ROOM = 5
    OFFERED = 6
    LOGITS = 7
    LAST = 8
    KLASS = 9
    ERROR = 10
    BUSY = 11
    RUN = 12
    RETURN = 15


class Write(enum.IntEnum):
    """What becomes of the byte in the cell."""

    NOTHING = 0
    LESS = 1  # one less
    SAME = 2
    MORE = 3  # one more


class Pointer(enum.IntEnum):
    """What becomes of the pointer, a bit each.

    ``STEP`` also has the memory's cell at the pointer in the place of the named one.
    """

    KEEP = 0
    STEP = 1
    TAKE = 2  # the cell that was read


class Order(enum.IntEnum):
    """Everything else that an instruction can do."""

    NOTHING = 0
    BEGIN_INPUT = 1  # the input's CRC begins, nothing is offered to the engine
    BEGIN_OUTPUT = 2  # the output's CRC begins
    OFFER = 3
    RUN = 4
    STOP = 5
    TAKE = 6  # the logit, or where there is none the class
    RETURN_TO = 7  # the cell that was read becomes the return register


class Kind(enum.IntEnum):
    """What an instruction has beside its source, its cell and what is written there."""

    MOVE = 0
    BRANCH = 1  # a condition in the place of the source
    ORDER = 2  # an order and a pointer in the place of the cell
    BYTE = 3  # the input's byte is taken, or the source's is sent; a clock, and one for each bit of the CRC


WORD = data.StructLayout({"next": ADDRESS_BITS, "kind": 2, "source": 4, "cell": CELL_BITS, "write": 2})
"""An instruction."""

ORDER_BITS = 3
"""An order's part of the cell; the pointer is above it."""


@dataclass
class _Instruction:
    fields: dict[str, int]
    then: str | None = None
    next: str | None = None


class Assembler:
    """Collects instructions, and places them.

    Attributes
    ----------
    labels : dict of str to int
        Instructions by label.
    """

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}
        self._instructions: list[_Instruction] = []

    def label(self, name: str) -> None:
        """Name the next instruction."""
        if name in self.labels:
            raise ValueError(f"the label {name!r} is there twice")
        self.labels[name] = len(self._instructions)

    def do(self, **fields: int) -> None:
        """Add an instruction; the one behind it comes next."""
        self._instructions.append(_Instruction(fields))

    def go(self, label: str, **fields: int) -> None:
        """Add an instruction after which ``label`` comes next."""
        self._instructions.append(_Instruction(fields, next=label))

    def branch(self, condition: Condition, then: str, otherwise: str | None = None, **fields: int) -> None:
        """Add an instruction after which ``then`` comes next if the condition holds, else ``otherwise``."""
        self._instructions.append(_Instruction({**fields, "condition": int(condition)}, then, otherwise))

    def back(self, **fields: int) -> None:
        """Add an instruction after which the one comes next that the return register names."""
        self._instructions.append(_Instruction({**fields, "condition": int(Condition.RETURN)}))

    def assemble(self, places: Sequence[str] = ()) -> tuple[list[int], Mapping[str, int]]:
        """Return the words, the first instruction at address 0, and an address of every label.

        Parameters
        ----------
        places : sequence of str
            Labels that the return register names, whose addresses have 8 bits.

        Raises
        ------
        ValueError
            If the program is too long.
        """
        ways = [self._ways(i) for i in range(len(self._instructions))]
        pairs = list(dict.fromkeys(way for way in ways if way is not None and way[0] != way[1]))
        in_pairs = {index for pair in pairs for index in pair}
        alone = [way[0] for way in ways if way is not None and way[0] == way[1] and way[0] not in in_pairs]
        singles = list(dict.fromkeys([0, *(self.labels[label] for label in places), *alone]))
        # A pair begins at an even address.
        words_of = [*singles, *([0] if len(singles) % 2 else [])]
        pair_address = {}
        for pair in pairs:
            pair_address[pair] = len(words_of)
            words_of += pair
        if len(words_of) > 1 << ADDRESS_BITS:
            raise ValueError(f"the microprogram has {len(words_of)} words, there is room for {1 << ADDRESS_BITS}")
        address: dict[int, int] = {}
        for where, index in enumerate(words_of):
            address.setdefault(index, where)
        words = []
        for index in words_of:
            way = ways[index]
            following = 0
            if way is not None:
                following = address[way[0]] if way[0] == way[1] else pair_address[way]
            words.append(_encode(self._instructions[index].fields, following))
        return words, {name: address[index] for name, index in self.labels.items() if index in address}

    def _ways(self, index: int) -> tuple[int, int] | None:
        """Return what comes next where the condition does not hold, and where it does; ``None`` for a return."""
        instruction = self._instructions[index]
        if instruction.fields.get("condition") == Condition.RETURN:
            return None
        otherwise = index + 1 if instruction.next is None else self.labels[instruction.next]
        return otherwise, otherwise if instruction.then is None else self.labels[instruction.then]


def _encode(fields: dict[str, int], following: int) -> int:
    """Return an instruction's word; ``ValueError`` if it has what does not go together."""
    kinds = {"condition": Kind.BRANCH, "order": Kind.ORDER, "pointer": Kind.ORDER, "byte": Kind.BYTE}
    found = {kinds[name] for name in fields if name in kinds}
    twice = "write" in fields and (Kind.BRANCH in found or "order" in fields)
    if len(found) > 1 or (Kind.ORDER in found and "cell" in fields) or twice:
        raise ValueError(f"an instruction cannot have {', '.join(fields)} together")
    kind = found.pop() if found else Kind.MOVE
    cell = fields.get("cell", 0)
    if kind is Kind.ORDER:
        cell = fields.get("order", 0) | fields.get("pointer", 0) << ORDER_BITS
    source, write = fields.get("condition", fields.get("source", 0)), int(fields.get("write", 0))
    if kind is not Kind.BRANCH and kind is not Kind.BYTE and source not in (Source.CELL, Source.INPUT, Source.NOTHING):
        raise ValueError(f"the source {Source(source).name} is for bytes that are sent")
    fields = {"next": following, "kind": int(kind), "source": int(source), "cell": int(cell)}
    word, at = 0, 0
    for name, bits in (("next", ADDRESS_BITS), ("kind", 2), ("source", 4), ("cell", CELL_BITS), ("write", 2)):
        value = write if name == "write" else fields[name]
        if not 0 <= value < 1 << bits:
            raise ValueError(f"an instruction's {name} has {bits} bits, got {value}")
        word |= value << at
        at += bits
    return word

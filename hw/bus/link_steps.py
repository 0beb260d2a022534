"""Small steps of the link's microprogram."""

from __future__ import annotations

from hw.bus.link_cells import CONSTANTS
from hw.bus.microcode import Assembler, Condition, Order, Pointer, Source, Write


class Steps(Assembler):
    """An assembler with the small steps that the link is made of.

    Parameters
    ----------
    clusters : int
        Answers of a reply.
    timeout : int
        Looks for a byte until a frame is given up.
    blob : bytes
        Description of the board.
    """

    def __init__(self, clusters: int, timeout: int, blob: bytes) -> None:
        super().__init__()
        self.constants: dict[int, int] = {}
        self.places: dict[str, int] = {}
        self.clusters = clusters
        self.timeout = timeout
        self.blob = blob

    def constant(self, value: int) -> int:
        """Return the cell of a constant."""
        if value not in self.constants:
            self.constants[value] = CONSTANTS + len(self.constants) + len(self.places)
        return self.constants[value]

    def place(self, label: str) -> int:
        """Return the cell that holds a label's address."""
        if label not in self.places:
            self.places[label] = CONSTANTS + len(self.constants) + len(self.places)
        return self.places[label]

    def read(self, cell: int) -> None:
        """Read a cell; the next instruction has it as ``Source.CELL``."""
        self.do(cell=cell)

    def set(self, cell: int, value: int) -> None:
        """Put a constant into a cell."""
        if value == 0:
            self.do(source=Source.NOTHING, cell=cell, write=Write.SAME)
        else:
            self.read(self.constant(value))
            self.do(cell=cell, write=Write.SAME)

    def copy(self, source: int, target: int) -> None:
        """Copy a cell."""
        self.read(source)
        self.do(cell=target, write=Write.SAME)

    def less(self, cell: int) -> None:
        """Count a cell down; a branch behind it sees whether it was zero before."""
        self.read(cell)
        self.do(cell=cell, write=Write.LESS)

    def return_to(self, label: str) -> None:
        """Set the return register."""
        self.read(self.place(label))
        self.do(order=Order.RETURN_TO)

    def point(self, to: int) -> None:
        """Set the pointer."""
        self.read(self.constant(to))
        self.do(pointer=Pointer.TAKE)

    def is_zero(self, cell: int, then: str, otherwise: str | None = None) -> None:
        """Go to ``then`` if a cell is zero, otherwise to ``otherwise`` or on."""
        self.read(cell)
        self.do()
        self.branch(Condition.ZERO, then, otherwise)

    def send(self, source: int, **more: int) -> None:
        """Send a byte."""
        self.do(source=source, byte=1, **more)

    def count(self, cell: int, label: str, then: str) -> None:
        """Count four cells up, lowest first."""
        for i in range(4):
            self.read(cell + i)
            self.do(cell=cell + i, write=Write.MORE)
            if i < 3:
                self.read(cell + i)
                self.do()
                self.branch(Condition.ZERO, f"{label}{i + 1}", then)
                self.label(f"{label}{i + 1}")
        self.go(then)

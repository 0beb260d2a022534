"""Which part of a design lies where on the chip, from nextpnr's placement."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

FORMAT = 1
"""Version of ``floorplan.json``."""

LINK = "link and boot"
"""The part that brings networks and images, and is no part of the engine."""

_PARTS = (
    (r"engine\.cluster\d+\.array\b", "array"),
    (r"engine\.cluster\d+\.accumulator", "partial sums"),
    (r"engine\.cluster\d+\.output_stage\b|engine\.output_constants\b", "requantisers"),
    (r"engine\.cluster\d+\.(?:operand_fetch|memory)\b|engine\.address_generator\b", "memory and operand fetch"),
    (r"engine\b|address\b", "sequencer and streams"),
    (r"(?:link|receiver|transmitter|transmit|receive|boot)\b", LINK),
)
PARTS = (*(part for _, part in _PARTS), "other")
"""The parts that are told apart, in the order in which they are listed."""

OTHER = PARTS[-1]
"""What has lost its name in synthesis, and what a board adds."""

_LOGIC = re.compile(r"(?:ICESTORM_LC|TRELLIS_COMB)$")
_MEMORY = re.compile(r"(?:ICESTORM_RAM|ICESTORM_SPRAM|DP16KD)$")
_PLACE = re.compile(r"X(\d+)/Y(\d+)/")


def part_of(cell: str) -> str:
    """Return the part of the design that a cell of the flattened netlist belongs to, by its name."""
    return next((part for pattern, part in _PARTS if re.match(pattern, cell)), OTHER)


def count_parts(netlist: Path) -> dict[str, int]:
    """Return the lookup tables (iCE40: logic cells) of each of :data:`PARTS`, of a netlist that nextpnr packed."""
    cells = json.loads(netlist.read_text())["modules"]["top"]["cells"]
    counts = Counter(part_of(name) for name, cell in cells.items() if _LOGIC.match(cell["type"]))
    return {part: counts[part] for part in PARTS}


def read_floorplan(netlist: Path) -> dict[str, Any]:
    """Return where the parts lie, of the netlist that nextpnr wrote after placement.

    Parameters
    ----------
    netlist : Path
        JSON of ``nextpnr --write``: every cell has the attribute ``NEXTPNR_BEL``.

    Returns
    -------
    dict
        ``format``; ``parts``: lookup tables (iCE40: logic cells) of each of :data:`PARTS`; ``tiles``: ``[x, y, part,
        tables]`` of every tile with lookup tables, the part that has most of them; ``memories``: ``[x, y]`` of the
        RAMs; ``y_up``: whether ``y`` counts from the bottom, as on an iCE40.
    """
    module = json.loads(netlist.read_text())["modules"]["top"]
    tiles: dict[tuple[int, int], Counter[str]] = {}
    memories: list[list[int]] = []
    total: Counter[str] = Counter()
    ice = False
    for name, cell in module["cells"].items():
        bel = _PLACE.match(cell["attributes"].get("NEXTPNR_BEL", ""))
        if bel is None:
            continue
        x, y = int(bel[1]), int(bel[2])
        if _LOGIC.match(cell["type"]):
            part = part_of(name)
            ice = cell["type"] == "ICESTORM_LC"
            total[part] += 1
            tiles.setdefault((x, y), Counter())[part] += 1
        elif _MEMORY.match(cell["type"]):
            memories.append([x, y])
    found = [[*place, tiles[place].most_common(1)[0][0], tiles[place].total()] for place in sorted(tiles)]
    return {
        "format": FORMAT,
        "parts": {part: total[part] for part in PARTS},
        "tiles": found,
        "memories": sorted(memories),
        "y_up": ice,
    }

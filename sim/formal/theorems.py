"""Everything that is proved, by a short name."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from hw.devices import ECP5_85, UP5K
from hw.graph import load
from hw.systolic.config import EngineConfig
from hw.systolic.search import choose_config
from sim.formal import accumulator, buses, cell_pair, ports, requantizer, sequencer, streams
from sim.formal.prove import Theorem

_EXAMPLES = Path(__file__).parents[2] / "examples"

ENGINES = {
    "digits on the UP5K": ("digits", UP5K),
    "ResNet-8 on the UP5K": ("resnet8", UP5K),
    "digits on the ECP5": ("digits", ECP5_85),
    "ResNet-8 with 4-bit activations on the UP5K": ("resnet8-a4", UP5K),
}
"""Networks and devices whose engines' widths are proved."""


@cache
def engine(name: str) -> EngineConfig:
    """Return the configuration of one of :data:`ENGINES`."""
    network, device = ENGINES[name]
    return choose_config([load(_EXAMPLES / f"{network}.s3net")], device)


def _theorems() -> dict[str, Theorem]:
    found = {}
    for bits, alphabet in cell_pair.ALPHABETS:
        found[f"cells {alphabet}, {bits} bits"] = cell_pair.theorem(bits, alphabet)
        found[f"cells {alphabet}, {bits} bits, signs apart"] = cell_pair.theorem(bits, alphabet, cell_pair.signs_apart)
    for name in ENGINES:
        found[f"requantiser, {name}"] = requantizer.theorem(name, engine(name))
        found[f"port schedule, {name}"] = ports.schedule_theorem(name, engine(name))
    pooling = replace(engine("digits on the ECP5"), max_pool=True, mixed_bits=True)
    found["requantiser, with max pooling"] = requantizer.theorem("an engine with max pooling", pooling)
    pooling = replace(engine("ResNet-8 on the UP5K"), max_pool=True)
    found["port schedule, with max pooling"] = ports.schedule_theorem("one port and max pooling", pooling)
    found["memory, block RAM"] = ports.memory_theorem(
        "block RAM", 8, word_bits=8, depth=4, lane_bits=4, single_port=False, registered=True, column_bits=2
    )
    found["memory, data behind the address"] = ports.memory_theorem(
        "block RAM with late data", 8, word_bits=4, depth=4, lane_bits=2, single_port=False, registered=False,
        late_data=True,
    )  # fmt: skip
    found.update(streams.THEOREMS)
    found.update(buses.THEOREMS)
    found["accumulator"] = accumulator.theorem()
    found["accumulator of two columns"] = accumulator.theorem(tile_cols=2)
    found["accumulator of two image planes"] = accumulator.theorem(image_planes=2)
    found["accumulator on the ECP5"] = accumulator.theorem(image_planes=2, registered_ram=True)
    found.update(sequencer.THEOREMS)
    return found


THEOREMS = _theorems()
"""All theorems."""

QUICK = tuple(
    name
    for name in (
        "accumulator", "accumulator of two columns", "accumulator of two image planes", "accumulator on the ECP5",
        "cells s3-2, 8 bits", "cells s3-3, 8 bits", "cells s3-3, 4 bits", "cells s3-4-max8, 4 bits",
        "cells dense-2, 8 bits", "cells dense-3, 4 bits",
        "cells s3-3, 8 bits, signs apart", "cells s3-4-max8, 4 bits, signs apart", "cells dense-3, 4 bits, signs apart",
        "requantiser, digits on the UP5K", "requantiser, ResNet-8 with 4-bit activations on the UP5K",
        *(f"port schedule, {engine}" for engine in ENGINES), "port schedule, with max pooling",
        "memory, block RAM", "memory, data behind the address",
    )
) + tuple(streams.QUICK) + tuple(buses.THEOREMS)  # fmt: skip
"""Names of the theorems that take a few seconds each."""

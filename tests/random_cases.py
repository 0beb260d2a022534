"""A random engine, a random network on it, random images and pauses: a case for all levels, and how to repeat it.

``python -m tests.random_cases WORD …`` runs the cases of the words that a failed test printed, one after another.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hw.graph import Alphabet, Network
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.verilog import emit_verilog
from sim.compare import Comparison, compare
from sim.runner import compile_simulation, run_programs
from tests.choosers import Chooser, RecordingChooser, RepeatingChooser, SeededChooser
from tests.strategies import build, random_images
from tests.systolic.support import make_config
from tests.wrapped_networks import build as build_wrapped

IMAGES = 3
S3_AND_DENSESHIFT = (Alphabet.s3(2), Alphabet.s3(3), Alphabet.dense(2), Alphabet.dense(3))
"""What cells of 4-bit codes up to ±8 run, mixed in one network."""

_SPRAM = {"memory": MemoryKind.SPRAM, "memory_words": 16384, "registered_ram": False, "strip_loops": False}
SHAPES: dict[str, dict[str, Any]] = {
    "8x4 SPRAM, one tile": {"tile_rows": 8, "tile_cols": 4, "columns_per_requantizer": 2, "argmax": False, **_SPRAM},
    "8x8 block RAM": {
        "cols": 8,
        "tile_rows": 4,
        "columns_per_requantizer": 4,
        "memory_words": 16384,
        "alphabet": Alphabet.s3(4, 3),
    },
    "8x8, three clusters": {
        "cols": 8,
        "columns_per_requantizer": 2,
        "program_words": 8192,
        "memory_words": 512,
        "clusters": 3,
    },
    "16x8 SPRAM, 4 bits, images of 8": {
        "rows": 16,
        "activation_bits": 4,
        "image_planes": 2,
        "cols": 8,
        "tile_rows": 16,
        "tile_cols": 8,
        "columns_per_requantizer": 4,
        **_SPRAM,
    },
    "8x8 SPRAM, one tile": {"cols": 8, "tile_rows": 8, "tile_cols": 8, "columns_per_requantizer": 2, **_SPRAM},
    "8x8 SPRAM, one requantiser": {
        "cols": 8,
        "columns_per_requantizer": 8,
        **_SPRAM,
        "registered_ram": True,
        "strip_loops": True,
    },
    "8x8 with int8 multipliers": {
        "cols": 8,
        "columns_per_requantizer": 4,
        "memory_words": 16384,
        "alphabet": Alphabet.integer(8),
        "acc_width": 32,
        "scaled_width": 48,
    },
    "4x4 block RAM": {"rows": 4, "memory_words": 32768},
    "16x16 block RAM, 4 bits": {"rows": 16, "cols": 16, "tile_cols": 4, "activation_bits": 4},
}
"""Engines that differ in what matters; :func:`random_engine` makes others."""
QUICK = tuple(SHAPES)[:4]
"""The engines of ``make test``."""


def random_engine(choose: Chooser) -> EngineConfig:
    """Return a random engine that can do about every random network.

    Decided are the array's and the tiles' shape, widths, alphabet, memories and their layout, requantisers, clusters,
    the depth of the partial sums (strips), and every part that an engine may be built without.
    """
    spram = choose.integer(0, 2) == 0
    if spram:
        rows, bits = choose.choice([(8, 8), (16, 4)])
    else:
        rows = choose.choice([4, 8, 16])
        bits = choose.choice([b for b in (8, 4, 5, 6, 7, 3) if b * rows >= 32])
    powers = [n for n in (1, 2, 4, 8, 16) if n <= rows]
    # At most four tiles of results make a memory word.
    cols = choose.choice([n for n in powers[1:] if 4 * n >= rows])
    alphabets = [a for a in (Alphabet.s3(3), Alphabet.s3(4), Alphabet.s3(4, 3), Alphabet.s3(2)) if a.bits <= bits]
    split = not spram and choose.integer(0, 1) == 1
    config = make_config(
        rows=rows,
        cols=cols,
        activation_bits=bits,
        alphabet=choose.choice(alphabets),
        tile_rows=choose.choice(powers[1:]),
        tile_cols=choose.choice([n for n in powers if n <= cols]),
        columns_per_requantizer=choose.choice([n for n in powers if n <= cols]),
        psum_depth=choose.choice([16, 32, 64]),
        memory=MemoryKind.SPRAM if spram else MemoryKind.BLOCK,
        memory_words=16384,
        program_words=16384 if split else 0,
        clusters=choose.integer(1, 3) if split else 1,
        registered_ram=choose.integer(0, 1) == 1,
        argmax=choose.integer(0, 1) == 1,
        image_planes=2 if bits <= 4 and choose.integer(0, 1) else 1,
        strip_loops=choose.integer(0, 1) == 1,
    )
    circular = choose.integer(0, 1) == 1
    samples = circular and config.clusters == 1 and config.columns_per_requantizer > 1 and choose.integer(0, 1) == 1
    return replace(config, circular=circular, norm_bits=24 if samples else 0, table=choose.integer(0, 1) == 1)


@dataclass(frozen=True)
class Case:
    """What is run: ``images`` (n, channels, height, width) through ``network`` on ``engine``.

    ``pauses`` is the seed of the pauses on the streams, ``word`` stands for all of it.
    """

    engine: EngineConfig
    network: Network
    images: np.ndarray
    pauses: int
    word: str


def draw_case(chooser: Chooser, engines: Sequence[str | int]) -> Case:
    """Return a case on one of the engines, which are names of :data:`SHAPES` or seeds of :func:`random_engine`."""
    choose = RecordingChooser(chooser)
    name = choose.choice(engines)
    # The word holds the engine itself, not its place in this list.
    if isinstance(name, str):
        place = 1 + list(SHAPES).index(name)
        engine = make_config(**SHAPES[name])
    else:
        place = 1 + len(SHAPES) + name
        engine = random_engine(SeededChooser(name))
    choose.made[:] = [place]
    # Half the engines that can wrap around get the networks that need it.
    wraps = engine.circular and engine.table and choose.integer(0, 1) == 1
    network = (build_wrapped if wraps else build)(
        choose,
        bits=engine.activation_bits,
        alphabets=layer_alphabets(engine.alphabet),
        image_bits=8 if engine.image_planes == 2 else None,
    )
    images = random_images(network, choose.integer(0, 2**16), IMAGES)
    pauses = choose.integer(0, 2**16)
    return Case(engine, network, images, pauses, choose.word)


def repeat_case(word: str) -> Case:
    """Return the case of a word."""
    choose = RepeatingChooser(word)
    place = choose.integer(0, 2**32)
    engines = [*SHAPES][place - 1] if place <= len(SHAPES) else place - 1 - len(SHAPES)
    choose.left.insert(0, 0)
    return draw_case(choose, [engines])


def refused(case: Case) -> bool:
    """Whether the engine cannot run the network."""
    try:
        compile_network(case.network, case.engine)
    except CompileError:
        return True
    return False


def command(cases: Sequence[Case]) -> str:
    """Return the command that repeats cases."""
    return f"python -m tests.random_cases {' '.join(case.word for case in cases)}"


def run_cases(cases: Sequence[Case], cache: Path) -> list[Comparison]:
    """Run cases of one engine in its Verilog, and compare every stored number, logit, class and the clocks.

    They are loaded one after another, without a reset between them; the first one's seed is that of all pauses.
    """
    programs = [(compile_network(case.network, case.engine), case.images) for case in cases]
    simulation = compile_simulation(engine_verilog(cases[0].engine), programs[0][0], cache)
    options = {"seed": cases[0].pauses, "stall": 0.2, "first_unstalled": True}
    runs = run_programs(simulation, programs, options)
    return [
        compare(compiled, run, case.network.run(case.images))
        for case, (compiled, _), run in zip(cases, programs, runs, strict=True)
    ]


@functools.cache
def engine_verilog(config: EngineConfig) -> str:
    """Return an engine's Verilog, written once a process."""
    return emit_verilog(config)


def layer_alphabets(cells: Alphabet) -> tuple[Alphabet, ...]:
    """Return the alphabets of layers for cells that know ``cells``."""
    if not cells.shifts:
        return (Alphabet.integer(8), Alphabet.integer(4), Alphabet.s3(3))
    known = [*(Alphabet.s3(bits) for bits in (2, 3, 4)), Alphabet.dense(2), Alphabet.dense(3)]
    return tuple(alphabet for alphabet in known if set(alphabet.values) <= set(cells.values))


def main() -> int:
    """Repeat the cases of the words and say what came out."""
    cases = [repeat_case(word) for word in sys.argv[1:]]
    print(cases[0].engine)
    for case in cases:
        print(*case.network.tensors.values(), sep="\n")
        for node in case.network.nodes:
            print(type(node).__name__, node.name, node.inputs, "->", getattr(node, "output", "logits"))
        if refused(case):
            print("the engine refuses this network")
            return 1
    with tempfile.TemporaryDirectory() as cache:
        results = run_cases(cases, Path(cache))
    print(*results, sep="\n")
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())

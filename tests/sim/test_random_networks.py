"""Random networks on one netlist: every stored number, every logit, every class, and the clocks."""

import os

import pytest

from hw.graph import Alphabet
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.config import MemoryKind
from hw.systolic.verilog import emit_verilog
from sim.compare import compare
from sim.runner import compile_simulation, run_simulation
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config

SHAPES = {
    "8x4 SPRAM, one tile": {
        "tile_rows": 8,
        "tile_cols": 4,
        "columns_per_requantizer": 2,
        "memory": MemoryKind.SPRAM,
        "memory_words": 16384,
        "argmax": False,
    },
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
        "memory": MemoryKind.SPRAM,
        "memory_words": 16384,
    },
}
S3_AND_DENSESHIFT = (Alphabet.s3(2), Alphabet.s3(3), Alphabet.dense(2), Alphabet.dense(3))
"""What cells of 4-bit codes up to ±8 run, mixed in one network."""
ALPHABETS = {
    "8x4 SPRAM, one tile": (Alphabet.s3(2), Alphabet.s3(3), Alphabet.s3(4), Alphabet.dense(3)),
    "8x8 block RAM": S3_AND_DENSESHIFT,
    "8x8 with int8 multipliers": (Alphabet.integer(8), Alphabet.integer(4), Alphabet.s3(3)),
}
MORE = {
    "8x8 SPRAM, one tile": {
        "cols": 8,
        "tile_rows": 8,
        "tile_cols": 8,
        "columns_per_requantizer": 2,
        "memory": MemoryKind.SPRAM,
        "memory_words": 16384,
    },
    "8x8 SPRAM, one requantiser": {
        "cols": 8,
        "columns_per_requantizer": 8,
        "memory": MemoryKind.SPRAM,
        "memory_words": 16384,
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


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("simulations")


def run_seeds(shape, seeds, cache):
    config = make_config(**{**SHAPES, **MORE}[shape])
    verilog = emit_verilog(config)
    simulation = None
    compared = 0
    for seed in seeds:
        network = random_network(
            seed,
            bits=config.activation_bits,
            alphabets=ALPHABETS.get(shape, ()),
            image_bits=8 if config.image_planes == 2 else None,
        )
        try:
            compiled = compile_network(network, config)
        except CompileError:
            continue
        simulation = simulation or compile_simulation(verilog, compiled, cache)
        images = random_images(network, seed, 3)
        runs = run_simulation(simulation, compiled, images, seed=seed)
        result = compare(compiled, runs, network.run(images))
        assert result.ok, f"random_network({seed}): {result}"
        compared += 1
    assert compared >= 0.9 * len(seeds)


@pytest.mark.parametrize("shape", SHAPES)
def test_random_networks_are_equal_in_verilog(shape, cache):
    run_seeds(shape, range(20), cache)


@pytest.mark.full
@pytest.mark.parametrize("shape", {**SHAPES, **MORE})
def test_two_hundred_random_networks_are_equal_in_verilog(shape, cache):
    count = int(os.environ.get("SHIFTFORGE_RANDOM_NETWORKS", "200"))
    run_seeds(shape, range(100, 100 + count), cache)

"""Compiled random networks, run as plans: every stored number is the integer network's."""

from dataclasses import replace

import pytest

from hw.graph import Network, load
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts
from hw.systolic.config import EngineConfig
from tests.random_cases import SHAPES
from tests.strategies import random_images, random_network
from tests.systolic.plan_interpreter import check_plan
from tests.systolic.support import make_config
from tests.wrapped_networks import wrapped_network

WRAPPING = {"circular": True, "norm_bits": 24, "table": True, "memory_words": 16384}
ENGINES = {
    "8x4": make_config(columns_per_requantizer=2, **WRAPPING),
    "8x8 with short strips": make_config(cols=8, columns_per_requantizer=4, psum_depth=16, **WRAPPING),
    "4x4 without loops": make_config(rows=4, columns_per_requantizer=2, psum_depth=16, strip_loops=False, **WRAPPING),
}
FOUR_BITS = make_config(**SHAPES["16x8 SPRAM, 4 bits, images of 8"])


def compiled_or_refused(network: Network, config: EngineConfig):
    try:
        return compile_network(network, config)
    except CompileError:
        return None


@pytest.mark.parametrize("name", ENGINES)
def test_random_networks(name):
    run = 0
    for seed in range(80):
        network = wrapped_network(seed) if seed % 2 else random_network(seed, shifts=seed % 4 == 0)
        compiled = compiled_or_refused(network, ENGINES[name])
        if compiled is not None:
            check_plan(fold_shifts(network), compiled, random_images(network, seed, 3)[1:])
            run += 1
    assert run > 45


def test_random_networks_with_images_in_two_planes():
    for seed in range(30):
        network = random_network(seed, bits=4, image_bits=8)
        check_plan(network, compile_network(network, FOUR_BITS), random_images(network, seed, 3)[1:])


@pytest.mark.parametrize("name", ["digits", "digits-invariant"])
def test_an_example(name):
    network = load(f"examples/{name}.s3net")
    config = replace(ENGINES["8x8 with short strips"], constant_depth=256)
    check_plan(fold_shifts(network), compile_network(network, config), random_images(network, 1, 3)[2:])

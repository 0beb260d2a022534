"""Random networks of wrapped maps, samples, tables and balances in the engine's Verilog: every number and clock."""

import numpy as np
import pytest

from hw.systolic.compiler import CompileError, compile_network
from sim.compare import compare
from sim.runner import compile_simulation, run_programs
from tests.random_cases import SHAPES, engine_verilog, layer_alphabets
from tests.strategies import random_images
from tests.systolic.support import make_config
from tests.wrapped_networks import wrapped_network

SAMPLING = {"circular": True, "norm_bits": 24, "table": True}
ENGINES = {name: shape for name, shape in SHAPES.items() if "clusters" not in shape}
QUICK = ("8x4 SPRAM, one tile", "16x16 block RAM, 4 bits")


def engine(name):
    """An engine of a shape; results are two clocks apart."""
    share = max(2, SHAPES[name].get("columns_per_requantizer", 1))
    return make_config(**{**SHAPES[name], "columns_per_requantizer": share}, **SAMPLING)


def check(name, count, cache):
    config = engine(name)
    cases = []
    for seed in range(count):
        network = wrapped_network(
            seed,
            bits=config.activation_bits,
            alphabets=layer_alphabets(config.alphabet),
            image_bits=8 if config.image_planes == 2 else None,
        )
        try:
            cases.append((seed, network, compile_network(network, config)))
        except CompileError as error:
            assert "stride" in str(error), error
    assert len(cases) > count * 0.9
    images = [random_images(network, seed, 3) for seed, network, _ in cases]
    simulation = compile_simulation(engine_verilog(config), cases[0][2], cache)
    programs = [(compiled, x) for (_, _, compiled), x in zip(cases, images, strict=True)]
    runs = run_programs(simulation, programs, {"seed": 1, "stall": 0.2, "first_unstalled": True})
    for (seed, network, compiled), x, run in zip(cases, images, runs, strict=True):
        result = compare(compiled, run, network.run(x))
        assert result.ok, (seed, [type(node).__name__ for node in network.nodes], result)
    return cases


@pytest.mark.parametrize("name", QUICK)
def test_random_wrapped_networks_are_equal_in_verilog(name, simulations):
    cases = check(name, 24, simulations)
    kinds = {type(node).__name__ for _, network, _ in cases for node in network.nodes}
    assert kinds >= {"Polyphase", "Table", "Balance", "AddressShift", "MaxPool"}


@pytest.mark.full
@pytest.mark.parametrize("name", ENGINES)
def test_a_hundred_random_wrapped_networks_are_equal_in_verilog(name, simulations):
    check(name, 100, simulations)


def test_every_phase_is_chosen_by_some_image(simulations):
    """One network, images whose largest phase is each of the four: the engine must not know one of them only."""
    config = engine("8x4 SPRAM, one tile")
    seed, network = next(
        (seed, network)
        for seed, network in ((seed, wrapped_network(seed)) for seed in range(100))
        if any(type(node).__name__ == "Polyphase" for node in network.nodes)
    )
    images = random_images(network, seed, 40)
    stored = network.run(images)
    node = next(node for node in network.nodes if type(node).__name__ == "Polyphase")
    assert set(np.argmax(node.norms(stored), axis=1).tolist()) == {0, 1, 2, 3}
    compiled = compile_network(network, config)
    simulation = compile_simulation(engine_verilog(config), compiled, simulations)
    (run,) = run_programs(simulation, [(compiled, images)], {"seed": 0, "stall": 0.2, "first_unstalled": True})
    assert compare(compiled, run, stored).ok

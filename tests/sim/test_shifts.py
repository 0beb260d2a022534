"""Channel and address shifts in gates: networks that read through them, equal in every stored number."""

import pytest

from hw.devices import ECP5_85, UP5K
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import choose_config
from hw.systolic.verilog import emit_verilog
from sim.compare import compare
from sim.runner import compile_simulation, run_programs
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config
from tests.systolic.test_shifts import AROUND, build


def candidates():
    """Two networks with shifts of whole words, and random ones without end."""
    yield build(16, AROUND, after="conv")
    yield build(AROUND, 8, after="conv", groups=4)
    seed = 0
    while True:
        network = random_network(seed, shifts=True)
        if any("Shift" in type(node).__name__ for node in network.nodes):
            yield network
        seed += 1


def check(config, networks, simulations):
    programs = [(compile_network(n, config), random_images(n, i, 2)) for i, n in enumerate(networks)]
    simulation = compile_simulation(emit_verilog(config), programs[0][0], simulations)
    runs = run_programs(simulation, programs, {"seed": 1, "stall": 0.1, "first_unstalled": True})
    for (program, images), run in zip(programs, runs, strict=True):
        result = compare(program, run, program.network.run(images))
        assert result.ok and result.images == 2, result


def test_networks_with_shifts_on_a_small_engine(simulations):
    config = make_config()
    found = []
    for network in candidates():
        try:
            compile_network(network, config)
        except CompileError:
            continue
        found.append(network)
        if len(found) == 30:
            break
    check(config, found, simulations)


@pytest.mark.full
@pytest.mark.parametrize(("device", "count"), [(UP5K, 16), (ECP5_85, 24)])
def test_networks_with_shifts_on_a_boards_engine(device, count, simulations):
    found = []
    for network in candidates():
        try:
            choose_config([*found, network], device)
        except CompileError:
            continue
        found.append(network)
        if len(found) == count:
            break
    check(choose_config(found, device), found, simulations)

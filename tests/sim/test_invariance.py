"""The network with address shift, polyphase sampling and attention: real digits, shifted around, in the gateware."""

from pathlib import Path

import numpy as np
import pytest

from hw.devices import UP5K
from hw.graph import Polyphase, load
from hw.systolic.build import generate
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from hw.systolic.verilog import emit_verilog
from s3train.data import load_digits
from sim.compare import compare
from sim.levels import Chain, run_level
from sim.runner import compile_simulation, run_simulation

NETWORK = Path("examples/digits-invariant.s3net")
SHIFTS = ((0, 0), (1, 0), (0, 1), (1, 1), (3, 2), (4, 4), (5, 7), (2, 6))


def digits(count):
    return load_digits().test(0, count)[0].numpy()


@pytest.fixture(scope="module")
def network():
    return load(NETWORK)


def test_the_example_has_all_of_them(network):
    kinds = [type(node).__name__ for node in network.nodes]
    assert kinds.count("Polyphase") == 2 and kinds.count("Balance") == kinds.count("Table") == 3
    assert kinds.count("AddressShift") == 8
    assert all(node.circular for node in network.nodes if type(node).__name__ == "AddressShift")


def test_every_shift_of_real_digits_has_the_same_logits_in_integers(network):
    images = digits(20)
    stored = network.run(images)
    tied = np.any([node.ties(stored) for node in network.nodes if isinstance(node, Polyphase)], axis=0)
    assert tied.sum() <= 2
    want = stored["classifier_logits"][~tied]
    for dy in range(8):
        for dx in range(8):
            found = network.run(np.roll(images[~tied], (dy, dx), (2, 3)))["classifier_logits"]
            assert np.array_equal(found, want), (dy, dx)


def test_shifted_digits_are_equal_in_verilog_and_have_the_same_logits(network, simulations):
    config = choose_config([network], UP5K)
    compiled = compile_network(network, config)
    images = np.concatenate([digits(10), *(np.roll(digits(2), shift, (2, 3)) for shift in SHIFTS)])
    simulation = compile_simulation(emit_verilog(config), compiled, simulations)
    runs = run_simulation(simulation, compiled, images, stall=0.0)
    result = compare(compiled, runs, network.run(images))
    assert result.ok and result.equal == 10 + 2 * len(SHIFTS), result
    logits = [run.logits for run in runs[10:]]
    assert all(np.array_equal(logits[i], logits[i % 2]) for i in range(len(logits)))
    assert not np.array_equal(logits[0], logits[1])


@pytest.mark.full
def test_ten_real_digits_are_equal_in_the_synthesised_netlist(network, tmp_path, simulations):
    build = generate(network, "icebreaker", UP5K, tmp_path / "build")
    images = digits(10)
    chain = Chain(build, images, network.run(images), images, None, simulations)
    level = run_level(chain, "netlist")
    assert level.ok and level.images == 10, level

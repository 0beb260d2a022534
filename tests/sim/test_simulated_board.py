"""The host program against a board's whole top level: link, engine, flash and SPRAM, byte for byte."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import shiftforge
from bitstreams.boards import BOARDS
from bitstreams.design import board_top
from bitstreams.flash import NETWORK_ADDRESS
from bitstreams.stored import StoredNetwork, flash_image
from cli.main import app
from host.errors import HostError
from hw.devices import ECP5_85, UP5K
from hw.graph import digest, load
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from s3train.data import load_digits
from sim.simulated_board import SimulatorError, compile_board, half_clocks, running_board, simulated

DIGITS, MLP = "examples/digits.s3net", "examples/digits-mlp.s3net"
NETWORKS = [load(DIGITS), load(MLP)]
IMAGES = load_digits().test_images.numpy()[:20]


def started(name, device, cache, link="uart", stored=False):
    """Return how to run a board, with an engine for both networks."""
    board = replace(simulated(BOARDS[name]), baud=3_000_000)
    config = choose_config(NETWORKS, device)
    network = StoredNetwork.of(compile_network(NETWORKS[0], config)) if stored else None
    program = compile_board(board_top(board, config, link=link, stored=network), cache)

    def run(**options):
        return running_board(program, half_clocks=half_clocks(board, link), link=link, **options)

    return run, config


@pytest.fixture(scope="module")
def icebreaker(tmp_path_factory):
    return started("icebreaker", UP5K, tmp_path_factory.mktemp("boards"))


def connect(port, timeout=60):
    """Connect with the patience that a simulation on a busy machine needs."""
    return shiftforge.connect(port, baud=3_000_000, timeout=timeout)


def check(device, network, images=IMAGES):
    result = device.infer(images)
    want = network.run(images)[network.logits.name]
    assert np.array_equal(result.logits, want)
    assert np.array_equal(result.classes, want.argmax(axis=1))
    return result


def test_the_host_program_runs_images_on_the_board(icebreaker):
    run, config = icebreaker
    with run() as board:
        line = f"run --port {board.port} --baud 3000000 --timeout 60 --network {DIGITS} digits --samples 20 --json"
        answer = CliRunner().invoke(app, line.split())
        assert answer.exit_code == 0, answer.output
        found = json.loads(answer.output)
        want = NETWORKS[0].run(IMAGES)[NETWORKS[0].logits.name]
        assert [entry["logits"] for entry in found["images"]] == want.tolist()
        cycles = compile_network(NETWORKS[0], config).predicted_cycles
        assert {entry["clocks"] for entry in found["images"]} == {cycles}


def test_two_networks_one_after_the_other_a_reset_and_no_network(icebreaker):
    run, _ = icebreaker
    with run() as board, connect(board.port) as device:
        assert not device.status().loaded
        with pytest.raises(HostError, match="load"):
            device.infer(IMAGES[:1])
        for path, network in ((DIGITS, NETWORKS[0]), (MLP, NETWORKS[1]), (DIGITS, NETWORKS[0])):
            device.load(path)
            check(device, network, IMAGES[:4])
            assert device.identify().digest == bytes.fromhex(digest(network))[:8]
        device.reset()
        assert not device.status().loaded
        assert device.counters().answered == 12


def test_a_plug_pulled_in_the_middle_of_a_frame_costs_that_frame(icebreaker):
    run, _ = icebreaker
    with run() as board:
        with connect(board.port) as device:
            device.load(DIGITS)
            check(device, NETWORKS[0], IMAGES[:2])
        line = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        from host.protocol import request
        from hw.bus.frame_types import Frame

        os.write(line, request(Frame.INFER, 9, bytes(64))[:40])
        time.sleep(0.2)
        os.close(line)
        # The first question ends the frame and gets no answer, so all this time is waited for it.
        with connect(board.port, timeout=10) as device:
            assert device.identify().digest == bytes.fromhex(digest(NETWORKS[0]))[:8]
        with connect(board.port) as device:
            device.load(MLP)
            check(device, NETWORKS[1], IMAGES[:3])


def test_a_board_that_is_gone_is_one_sentence(icebreaker):
    run, _ = icebreaker
    with run() as board, connect(board.port) as device:
        device.load(DIGITS)
        board.process.kill()
        board.process.wait()
        with pytest.raises(HostError, match=r"the board is gone|does not answer"):
            device.infer(IMAGES[:1])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_in_the_flash_is_there_after_power_up(icebreaker, tmp_path, seed):
    # Registers begin with other values for another seed: nothing may depend on them.
    run, config = icebreaker
    image = tmp_path / "network.bin"
    image.write_bytes(flash_image(compile_network(NETWORKS[1], config)))
    with run(flash=(image, NETWORK_ADDRESS), seed=seed) as board:
        with connect(board.port) as device:
            assert device.identify().digest == bytes.fromhex(digest(NETWORKS[1]))[:8]
            assert device.status().loaded
            device.use(NETWORKS[1])
            check(device, NETWORKS[1], IMAGES[:5])


@pytest.mark.parametrize("change", ["one bit", "cut off"])
def test_a_damaged_network_in_the_flash_is_not_run_and_the_host_can_load_another(icebreaker, tmp_path, change):
    run, config = icebreaker
    content = bytearray(flash_image(compile_network(NETWORKS[1], config)))
    if change == "one bit":
        content[len(content) // 2] ^= 4
    else:
        del content[len(content) // 2 :]
    image = tmp_path / "network.bin"
    image.write_bytes(content)
    with run(flash=(image, NETWORK_ADDRESS)) as board, connect(board.port) as device:
        device.load(DIGITS)
        check(device, NETWORKS[0], IMAGES[:2])


def test_a_simulation_that_does_not_start_is_one_sentence(tmp_path):
    program = tmp_path / "false"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(SimulatorError, match="did not start"), running_board(program, half_clocks=27):
        pass


@pytest.mark.full
def test_the_same_over_spi(tmp_path):
    run, _ = started("icebreaker", UP5K, tmp_path, link="spi")
    with run() as board, connect(f"spi:{board.port}") as device:
        for network in NETWORKS:
            device.load(network)
            check(device, network)


@pytest.mark.full
def test_a_bitstream_brings_its_network_where_it_can(tmp_path):
    run, _ = started("ulx3s_85f", ECP5_85, tmp_path, stored=True)
    with run() as board, connect(board.port) as device:
        assert device.identify().digest == bytes.fromhex(digest(NETWORKS[0]))[:8]
        device.use(NETWORKS[0])
        check(device, NETWORKS[0])
        device.load(NETWORKS[1])
        check(device, NETWORKS[1])

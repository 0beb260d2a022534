"""The engines on buses that the tests share: two networks, each bus compiled once a session."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from hw.bus.registers import REGISTERS
from hw.devices import ECP5_85
from hw.graph import load
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.search import choose_config
from s3train.data import load_digits
from sim.bus_simulation import image_bytes, program_bytes
from tests.hostile.linked_engine import tiny_network
from tests.strategies import random_images, random_network
from tests.systolic.support import make_config

ADDRESS = {register.name: register.address for register in REGISTERS}
EVENT = {field.name: field.mask for r in REGISTERS if r.name == "events" for field in r.fields}
STATUS = {field.name: field.mask for r in REGISTERS if r.name == "status" for field in r.fields}


@functools.cache
def networks() -> tuple[CompiledNetwork, CompiledNetwork]:
    """Return the convolutional and the linear network, compiled for one engine."""
    both = [load(f"examples/{name}.s3net") for name in ("digits", "digits-mlp")]
    config = choose_config(both, ECP5_85)
    convolutional, linear = (compile_network(network, config) for network in both)
    return convolutional, linear


@functools.cache
def tiny() -> tuple[CompiledNetwork, np.ndarray]:
    """Return a network of 200 clocks on 4 x 2 cells, and images."""
    network, compiled = tiny_network()
    return compiled, random_images(network, 1, 6)


@functools.cache
def narrow() -> tuple[CompiledNetwork, np.ndarray]:
    """Return a network with 4-bit activations and images of 8 bits, and images."""
    network = random_network(139, bits=4, image_bits=8)
    config = make_config(activation_bits=4, image_planes=2, memory_words=1024)
    return compile_network(network, config), random_images(network, 1, 4)


def images(count: int) -> np.ndarray:
    """Return real test images."""
    return load_digits().test_images[:count].numpy()


def load_operations(compiled: CompiledNetwork) -> list[list[Any]]:
    """Return the operations that load a program and start it; they work without a reset."""
    program = program_bytes(compiled)
    image = np.zeros(compiled.network.tensor(compiled.network.input).shape, np.uint8)
    return [
        ["write", ADDRESS["control"], 0, 15],
        ["poll", ADDRESS["status"], STATUS["running"], 0],
        ["write", ADDRESS["program_bytes"], len(program), 15],
        ["write", ADDRESS["image_bytes"], len(image_bytes(compiled, image)), 15],
        ["send", program.hex(), True],
        ["poll", ADDRESS["status"], STATUS["loaded"], STATUS["loaded"]],
        ["write", ADDRESS["control"], 1, 15],
    ]


def infer_operations(compiled: CompiledNetwork, image: np.ndarray) -> list[list[Any]]:
    """Return the operations that classify an image; :func:`answer` reads their results."""
    return [
        ["write", ADDRESS["events"], EVENT["result"], 15],
        ["send", image_bytes(compiled, image).hex(), True],
        ["receive", compiled.network.classes],
        ["poll", ADDRESS["status"], STATUS["result"], STATUS["result"]],
        ["read", ADDRESS["class"]],
        ["read", ADDRESS["cycles"]],
    ]


def answer(results: list[Any]) -> tuple[list[int], int, int]:
    """Return logits, class and clocks of the results of :func:`infer_operations`."""
    return results[2], results[4], results[5]


def wanted(compiled: CompiledNetwork, batch: np.ndarray) -> list[tuple[list[int], int, int]]:
    """Return what must come out: the network's integer reference, and the predicted clocks."""
    logits = compiled.network.run(batch)[compiled.network.logits.name]
    return [(row.tolist(), int(np.argmax(row)), compiled.predicted_cycles) for row in logits]

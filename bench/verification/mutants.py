"""How many faults of a small but complete engine the fast test set notices."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hw.graph import Alphabet
from hw.systolic.compiler import CompiledNetwork, CompileError, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.header_check import Error
from hw.systolic.program import ResidualMode
from hw.systolic.verilog import emit_verilog
from sim.equivalence import has_one_clock, proved_equivalent
from sim.mutant_design import (
    all_classes,
    close_logits,
    favourite_images,
    large_biases,
    large_sums,
    many_classes,
    mutant_config,
    padded_image,
    padded_strides,
    strips_of_maxima,
    wide_maps,
    wide_strides,
)
from sim.mutant_jobs import (
    endless_constants,
    expected_answers,
    hasty_jobs,
    interrupted_jobs,
    network_job,
    refused_jobs,
    restarted,
)
from sim.mutant_rounding import every_residual_shift, every_shift, narrow_map, ramps
from sim.mutants import Job, Mutant, compile_mutants, make_mutants, run_jobs
from sim.scattered import ConstantsAgain, LowBits, compile_interleaved, compile_scattered, compile_with
from tests.strategies import random_images, random_network

COUNT, SEED = 240, 1
EACH = 8
"""Random networks with each feature, at least: the first ones that fit, most of them all over the engine's memory."""
LONGEST = 3000
"""Clocks of an inference, at most."""
INTERRUPTED = 600
"""Clocks of the network that is stopped, at least; the first one that has as many and adds a residual."""
STOPS = (*range(1, 130, 9), *range(150, 900, 67))
"""Clocks after the start at which it is stopped: in the header, the constants, the image, and all over the layers."""
LONG = 4500
"""Words of the constants of a program that repeats them, about: more than half of what an address can say."""
PAUSE, SLOW_HOST = 80, 245
"""Probability of a pause in 256ths, of a usual and of a slow host."""


class TestSet:
    """Jobs, and what the engine as it is must answer to them."""

    __test__ = False

    def __init__(self, config: EngineConfig) -> None:
        self.jobs: list[Job] = []
        self.checks: list[Callable[[list[int]], bool]] = []
        networks = list(_networks(config))
        for seed, compiled in networks:
            self.runs(compiled, random_images(compiled.network, seed, 4))
        for network in (wide_strides(), large_biases(), large_sums()):
            self.runs(compile_network(network, config), random_images(network, 0, 4))
        for network in (
            wide_maps(), strips_of_maxima(), *map(padded_image, (9, 17, 18, 27)), *map(padded_strides, (3, 4, 6, 12)),
        ):  # fmt: skip
            self.runs(compile_network(network, config), random_images(network, 0, 4))
        for network in (wide_maps(), wide_maps(width=15), *map(padded_strides, (3, 4, 6, 12))):
            self.runs(compile_interleaved(network, config), random_images(network, 0, 4))
        for bits in range(2, 9):
            self.runs(compile_network(narrow_map(bits), config), ramps())
            network = padded_image(12, bits, pad=2)
            self.runs(compile_network(network, config), random_images(network, 0, 4))
        maxima = strips_of_maxima()
        self.runs(compile_with(LowBits, maxima, config), random_images(maxima, 0, 4))
        self.runs(compile_with(LowBits, every_shift(config), config), ramps())
        seed, compiled = networks[1]
        for times in (1, LONG // compiled.program.constants):
            again = compile_scattered(compiled.network, config, seed, partial(ConstantsAgain, times=times))
            self.runs(again, random_images(again.network, seed, 2))
        job = self.jobs[-1]
        self.add(replace(job, slow=True, clocks=2 * job.clocks), self.checks[-1])
        self.add(endless_constants(config), lambda answers: answers == [0])
        for network in (every_shift(config), every_residual_shift(config)):
            self.runs(compile_network(network, config), ramps())
        # The largest logit that a scaled sum can hold, but for the image's share, is 2^(scaled_width - 1) - 1.
        for bit in range(min(config.scaled_width, 32) - 2):
            for sign in (1, -1):
                for order in (1, -1):
                    network = close_logits(bit, sign, order)
                    self.runs(compile_network(network, config), np.zeros((1, 1, 1, 1), np.uint8))
        seed, compiled = next(pair for pair in networks if _is_interrupted(pair[1]))
        images = random_images(compiled.network, seed, 3)[2:]
        for i, part in enumerate(interrupted_jobs(network_job(compiled, images, PAUSE), STOPS)):
            self.add(part, _right(compiled, images, clocks=True) if i % 2 else _nothing_wrong)
        right = _right(compiled, images, clocks=True)
        for hasty in hasty_jobs(network_job(compiled, images, PAUSE)):
            self.add(hasty, lambda answers: answers == [Error.CHECKSUM.value] or right(answers))
        self.add(restarted(self.jobs[-1]), right)
        for job, error in refused_jobs(config):
            for part in (job, restarted(job)) if error == Error.CHECKSUM.value else (job,):
                self.add(part, lambda answers, error=error: answers[-1] == error and len(answers) <= 2)
        compiled = compile_network(many_classes(), config)
        images = random_images(compiled.network, 0, 4)
        for pause in (PAUSE, SLOW_HOST):
            self.runs(compiled, images, pause, clocks=False)
        self.runs(compile_network(all_classes(), config), favourite_images(), clocks=False)
        self.runs(compile_network(all_classes(987), config), favourite_images()[-1:], clocks=False)

    def runs(self, compiled: CompiledNetwork, images: np.ndarray, pause: int = PAUSE, *, clocks: bool = True) -> None:
        """Add the job that runs images through a network; without ``clocks`` its host is what takes most of them."""
        job = network_job(compiled, images, pause)
        self.add(job if clocks else replace(job, clocks=40 * job.clocks), _right(compiled, images, clocks=clocks))

    def add(self, job: Job, check: Callable[[list[int]], bool]) -> None:
        """Add a job and what its answers must be like."""
        self.jobs.append(job)
        self.checks.append(check)

    def wrong(self, answers: list[list[int]]) -> list[str]:
        """Return the names of the jobs that the engine as it is answered wrongly."""
        return [job.name for job, check, given in zip(self.jobs, self.checks, answers, strict=True) if not check(given)]


def _networks(config: EngineConfig) -> Iterator[tuple[int, CompiledNetwork]]:
    """Yield seeds and random networks that fit an engine; every fourth one as the compiler places it."""
    wanted = Counter(dict.fromkeys((*ResidualMode, "strips", "held weights"), EACH))
    for seed in count():
        network = random_network(seed, alphabets=(Alphabet.s3(2), Alphabet.s3(3)))
        try:
            compiled = compile_network(network, config) if seed % 4 == 0 else compile_scattered(network, config, seed)
        except CompileError:
            continue
        found = wanted.keys() & _features(compiled)
        if found and compiled.predicted_cycles <= LONGEST:
            yield seed, compiled
            wanted -= Counter(found)
            if not wanted:
                return


def _features(compiled: CompiledNetwork) -> set[ResidualMode | str]:
    layers = compiled.layers
    features: set[ResidualMode | str] = {layer.residual for layer in layers}
    if any(layer.strips > 1 for layer in layers):
        features.add("strips")
    if any(step.weights is None for layer in layers for tile in layer.tiles for step in tile.passes):
        features.add("held weights")
    return features


def _is_interrupted(compiled: CompiledNetwork) -> bool:
    adds = any(layer.residual is ResidualMode.ADD for layer in compiled.layers)
    return adds and compiled.predicted_cycles >= INTERRUPTED


def _right(compiled: CompiledNetwork, images: np.ndarray, *, clocks: bool) -> Callable[[list[int]], bool]:
    """Return a check of logits, classes, the error code, and the clocks where nothing delays an inference."""
    wanted = expected_answers(compiled, images)
    size = compiled.network.logits.weight.shape[0] + 2

    def check(answers: list[int]) -> bool:
        given = [answers[i : i + size] for i in range(0, len(answers) - 1, size)]
        if clocks:
            return answers[-1] == 0 and [sorted(part) for part in given] == wanted
        # A slow host delays the inference, and a class may come before the logits.
        least = Counter(value for part in wanted for value in _less(part, compiled.predicted_cycles))
        return len(answers) == size * len(wanted) + 1 and answers[-1] == 0 and least <= Counter(answers)

    return check


def _less(values: list[int], one: int) -> list[int]:
    at = values.index(one)
    return values[:at] + values[at + 1 :]


def _nothing_wrong(answers: list[int]) -> bool:
    return answers[-1] == 0


def judge(number: int, console: Console, *, only: int | None = None) -> dict[str, Any]:
    """Make ``number`` mutants, run the test set on the first ``only`` of them, and try to prove survivors equivalent.

    Raises
    ------
    AssertionError
        If the engine as it is answers a job wrongly.
    """
    config = mutant_config()
    tests = TestSet(config)
    mutants = make_mutants(emit_verilog(config), number, SEED)
    made = len(mutants.mutants[:only])
    console.print(f"{made} mutants of {number}, {len(tests.jobs)} jobs")
    with tempfile.TemporaryDirectory(prefix="shiftforge-mutants-") as folder:
        program = compile_mutants(mutants, config, Path(folder))
        noticed, answers = run_jobs(program, tests.jobs, 1, made)
    wrong = tests.wrong(answers)
    assert not wrong, f"the engine without a mutant answers wrongly: {', '.join(wrong)}"
    alive = [
        mutant
        for mutant, job in zip(mutants.mutants, noticed, strict=False)
        if job is None and has_one_clock(mutants, mutant)
    ]
    console.print(f"{made - len(alive)} killed by the test set, {len(alive)} left")
    survivors: list[Mutant] = []
    for mutant in alive:
        if proved_equivalent(mutants, mutant):
            console.print(f"equivalent: {mutant.number} {mutant.place}")
        else:
            survivors.append(mutant)
            console.print(f"survives:   {mutant.number} {mutant.place}")
    return {
        "made": made,
        "killed": made - len(alive),
        "equivalent": len(alive) - len(survivors),
        "survivors": [f"{mutant.number} {mutant.place}" for mutant in survivors],
    }


def measure(console: Console) -> dict[str, Any]:
    """Return how many mutants were made, killed, proved equivalent, and those that survive."""
    return judge(COUNT, console)

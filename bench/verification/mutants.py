"""How many faults of a small but complete engine the fast test set notices."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hw.graph import Alphabet
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.verilog import emit_verilog
from sim.mutant_design import large_biases, many_classes, mutant_config, wide_strides
from sim.mutant_jobs import expected_answers, interrupted_jobs, network_job, refused_jobs
from sim.mutants import Job, Mutant, compile_mutants, make_mutants, proved_equivalent, run_jobs
from tests.strategies import random_images, random_network

COUNT, SEED = 240, 1
SEEDS = (390, 297, 51, 289, 351, 448, 273, 462, 290, 231, 421, 72, 266, 335, 154, 388, 122, 10, 55, 49, 425, 12)
"""Random networks that together have every kind of layer, padding, stride, width and shift that the engine has."""
INTERRUPTED = 10
"""Seed of the network that is stopped."""
STOPS = (*range(1, 130, 9), *range(150, 900, 67))
"""Clocks after the start at which it is stopped: in the header, the constants, the image, and all over the layers."""
PAUSE, SLOW_HOST = 80, 245
"""Probability of a pause in 256ths, of a usual and of a slow host."""


class TestSet:
    """Jobs, and what the engine as it is must answer to them."""

    __test__ = False

    def __init__(self, config: EngineConfig) -> None:
        self.jobs: list[Job] = []
        self.checks: list[Callable[[list[int]], bool]] = []
        for seed in SEEDS:
            network = random_network(seed, alphabets=(Alphabet.s3(2), Alphabet.s3(3)))
            compiled = compile_network(network, config)
            images = random_images(network, seed, 4)
            job = network_job(compiled, images, PAUSE)
            self.add(job, _right(compiled, images, clocks=True))
            if seed == INTERRUPTED:
                again = network_job(compiled, images[2:3], PAUSE)
                for i, part in enumerate(interrupted_jobs(again, STOPS)):
                    self.add(part, _right(compiled, images[2:3], clocks=True) if i % 2 else _nothing_wrong)
        for network in (wide_strides(), large_biases()):
            compiled = compile_network(network, config)
            images = random_images(network, 0, 4)
            self.add(network_job(compiled, images, PAUSE), _right(compiled, images, clocks=True))
        compiled = compile_network(many_classes(), config)
        images = random_images(compiled.network, 0, 4)
        for pause in (PAUSE, SLOW_HOST):
            job = network_job(compiled, images, pause)
            self.add(Job(**{**job.__dict__, "clocks": 40 * job.clocks}), _right(compiled, images, clocks=False))
        for job, error in refused_jobs(config):
            self.add(job, lambda answers, error=error: answers[-1] == error and len(answers) <= 2)

    def add(self, job: Job, check: Callable[[list[int]], bool]) -> None:
        """Add a job and what its answers must be like."""
        self.jobs.append(job)
        self.checks.append(check)

    def wrong(self, answers: list[list[int]]) -> list[str]:
        """Return the names of the jobs that the engine as it is answered wrongly."""
        return [job.name for job, check, given in zip(self.jobs, self.checks, answers, strict=True) if not check(given)]


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


def judge(count: int, console: Console, *, only: int | None = None) -> dict[str, Any]:
    """Make ``count`` mutants, run the test set on the first ``only`` of them, and try to prove survivors equivalent.

    Raises
    ------
    AssertionError
        If the engine as it is answers a job wrongly.
    """
    config = mutant_config()
    tests = TestSet(config)
    mutants = make_mutants(emit_verilog(config), count, SEED)
    made = len(mutants.mutants[:only])
    console.print(f"{made} mutants of {count}, {len(tests.jobs)} jobs")
    with tempfile.TemporaryDirectory(prefix="shiftforge-mutants-") as folder:
        program = compile_mutants(mutants, config, Path(folder))
        noticed, answers = run_jobs(program, tests.jobs, 1, made)
    wrong = tests.wrong(answers)
    assert not wrong, f"the engine without a mutant answers wrongly: {', '.join(wrong)}"
    alive = [mutant for mutant, job in zip(mutants.mutants, noticed, strict=False) if job is None]
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

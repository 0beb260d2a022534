"""The programs and images that mutants must be noticed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hw.systolic.compiler import CompiledNetwork
from hw.systolic.config import EngineConfig
from hw.systolic.program import VERSION, Opcode, alphabet_number, closing_word, code_number, encode
from sim.mutants import Job

IMAGE_CLOCKS = 8
"""Clocks that an activation may take on its way in, at most."""


def lanes(words: Sequence[int], config: EngineConfig) -> bytes:
    """Return words as a program is loaded: lane by lane."""
    mask = (1 << config.activation_bits) - 1
    return bytes(word >> (config.activation_bits * lane) & mask for word in words for lane in range(config.rows))


def network_job(compiled: CompiledNetwork, images: np.ndarray, stall: int) -> Job:
    """Return the job that runs images through a network."""
    config = compiled.config
    program = lanes(compiled.words, config)
    packed = b"".join(compiled.pack_image(image) for image in images)
    clocks = 2 * len(program) + len(images) * 2 * compiled.predicted_cycles + IMAGE_CLOCKS * len(packed) + 2000
    return Job(compiled.network.name, program, packed, len(images), clocks, stall)


def interrupted_jobs(job: Job, clocks: Sequence[int]) -> list[Job]:
    """Return a job that is stopped after each of ``clocks``, and behind each the whole job.

    Whatever the engine was doing, it must begin anew as if nothing had been, also with a program that comes at once.
    """
    jobs: list[Job] = []
    for i, after in enumerate(clocks):
        jobs += [replace(job, name=f"stop after {after}", stop_after=after), replace(job, idle=i % 4)]
    return jobs


def restarted(job: Job) -> Job:
    """Return the job that stops the engine and starts it again with the program that it has."""
    return replace(job, name=f"{job.name}, started again", program=b"")


def hasty_jobs(job: Job) -> list[Job]:
    """Return jobs whose host lets the engine run before all of the program can have arrived, a patient one behind each.

    The engine refuses the program or runs it.
    """
    return [part for settle in range(4) for part in (replace(job, name=f"run after {settle}", settle=settle), job)]


def expected_answers(compiled: CompiledNetwork, images: np.ndarray) -> list[list[int]]:
    """Return what every image of a network's job must answer: its logits, its class and its clocks, sorted.

    The class may come before or after the end of the inference, so the order is left out.
    """
    logits = compiled.network.run(images)[compiled.network.logits.name].reshape(len(images), -1)
    return [sorted([*map(int, row), int(np.argmax(row)), compiled.predicted_cycles]) for row in logits]


def refused_jobs(config: EngineConfig) -> list[tuple[Job, int]]:
    """Return programs that must be refused, and the error codes: each differs from a good one in one respect."""
    header = {
        "version": VERSION,
        "rows": config.rows,
        "cols": config.cols,
        "activation_bits": config.activation_bits,
        "code_bits": code_number(config),
        "alphabet": alphabet_number(config.alphabet),
        "words": 1,
    }
    jobs = []

    def job(name: str, words: list[int], error: int, clocks: int = 400) -> None:
        whole = [*words, closing_word(words, config)] if error != 4 else words
        program = lanes(whole, config)
        jobs.append((Job(name, program, bytes(8), 1, 2 * len(program) + clocks), error))

    image = encode(
        Opcode.INPUT, config, address=config.memory_words - 8, width=2, height=1, pad_left=0, pad_right=0, channels=0,
        window=1, step=1, zero_point=0,
    )  # fmt: skip
    good = [*encode(Opcode.HEADER, config, **header), *image]
    for name, width in (("version", 8), ("rows", 8), ("cols", 8), ("activation_bits", 4), ("code_bits", 4),
                        ("alphabet", 6)):  # fmt: skip
        for bit in range(width):
            wrong = {**header, name: header[name] ^ 1 << bit}
            job(f"{name} bit {bit}", [*encode(Opcode.HEADER, config, **wrong), *image], 1 if name == "version" else 2)
    closed = [*good, closing_word(good, config)]
    for bit in range(config.word_bits):
        job(f"checksum bit {bit}", [*closed[:-1], closed[-1] ^ 1 << bit], 4)
    job("checksum, two words exchanged", [*closed[:-2], closed[-1], closed[-2]], 4)
    # Before an image there are constants only.
    for opcode in sorted(set(range(16)) - {Opcode.CONSTANTS, Opcode.INPUT}):
        job(f"opcode {opcode}", [*good[: -len(image)], opcode, 0], 3)
    for opcode in range(Opcode.HEADER + 1, len(Opcode)):
        job(f"opcode {opcode} before the header", [opcode, 0, *good], 3)
    # A loop that never ends: it counts further than the engine's counter.
    if config.coordinate_bits < 11:
        loop = encode(Opcode.LOOP, config, target=len(good), count=(1 << 11) - 1)
        job("endless loop", [*good, *loop], 5, 2 << config.watchdog_bits)
    return jobs


def endless_constants(config: EngineConfig) -> Job:
    """Return a program with a count of 0 constants, which never gets to its image."""
    words = encode(
        Opcode.HEADER, config, version=VERSION, rows=config.rows, cols=config.cols,
        activation_bits=config.activation_bits, code_bits=code_number(config),
        alphabet=alphabet_number(config.alphabet), words=1,
    )  # fmt: skip
    words += [*encode(Opcode.CONSTANTS, config, count=0, table=0), 0, 0]
    words += encode(
        Opcode.INPUT, config, address=config.memory_words - 8, width=2, height=1, pad_left=0, pad_right=0, channels=0,
        window=1, step=1, zero_point=0,
    )  # fmt: skip
    program = lanes([*words, closing_word(words, config)], config)
    return Job("endless constants", program, bytes(8), 1, 2 * len(program) + 400)

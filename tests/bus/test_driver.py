"""The C driver, compiled strictly, against the Verilated cores."""

import enum
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from hw.bus.core_verilog import Bus, emit_core, make_core
from hw.bus.register_text import c_header
from sim.bus_simulation import image_bytes, program_bytes
from sim.verilator import environment
from tests.bus.designs import ADDRESS, images, networks, wanted

DRIVER = Path("hw/bus/driver").resolve()
HARNESS = Path("tests/bus/driver_harness.cpp").resolve()
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"]
POLLS = 100_000
DIGEST = 0x0123456789ABCDEF

names = re.search(r"typedef enum \{(.*?)\}", (DRIVER / "shiftforge.h").read_text(), re.DOTALL)[1]
Status = enum.IntEnum("Status", re.findall(r"SHIFTFORGE_([A-Z_]+)(?:,| =|  ?/| */)", names), start=0)


def sources(folder):
    folder.mkdir(exist_ok=True)
    for file in ("shiftforge.c", "shiftforge.h"):
        shutil.copy(DRIVER / file, folder)
    (folder / "shiftforge_registers.h").write_text(c_header())
    subprocess.run(["gcc", *STRICT, "-c", "shiftforge.c"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """Return the program of a bus: driver, harness and Verilated core."""
    made = {}

    def build(bus):
        if bus not in made:
            folder = sources(tmp_path_factory.mktemp("driver"))
            core = make_core(networks()[0].config, bus)
            (folder / f"{bus.module}.v").write_text(emit_core(core, bus.module))
            flags = f"-I{folder}" + (" -DAXI" if bus is Bus.AXI else "")
            command = [
                "verilator", "--cc", "--exe", "--build", "-O3", "--x-initial", "fast", "--x-assign", "fast",
                "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", bus.module, "--Mdir", "made",
                "--output-split", "5000", "-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "OPT_GLOBAL=-O1",
                "-CFLAGS", flags, f"{bus.module}.v", str(HARNESS), str(folder / "shiftforge.o"),
            ]  # fmt: skip
            done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            made[bus] = folder / "made" / f"V{bus.module}"
        return made[bus]

    return build


def block(data):
    return struct.pack("<I", len(data)) + data


def init(*, absent=0, polls=POLLS):
    return struct.pack("<III", ord("i"), absent, polls)


def load(compiled, program=None):
    size = len(image_bytes(compiled, images(1)[0]))
    program = program_bytes(compiled) if program is None else program
    return struct.pack("<I", ord("l")) + block(program) + struct.pack("<IQ", size, DIGEST)


def infer(compiled, image):
    data = image if isinstance(image, bytes) else image_bytes(compiled, image)
    return struct.pack("<II", ord("c"), compiled.network.classes) + block(data)


def run(program, commands):
    """Return the lines that the commands printed, as (status, numbers)."""
    done = subprocess.run([program], input=b"".join(commands), capture_output=True, check=True, timeout=120)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert len(lines) == len(commands), done.stderr
    return [(Status(int(status)), rest) for status, *rest in lines]


def answer(line):
    status, (klass, cycles, *logits) = line
    return status, ([int(logit) for logit in logits], int(klass), int(cycles))


@pytest.mark.parametrize("bus", Bus)
def test_real_images_are_equal_through_the_driver(harness, bus):
    batch = images(8)
    commands, expected = [init()], [None]
    for compiled, part in zip((*networks(), networks()[0]), (batch, batch[:3], batch[:1]), strict=True):
        commands.append(load(compiled))
        expected.append((Status.OK, ["0", f"{DIGEST:016x}"]))
        commands += [infer(compiled, image) for image in part]
        expected += [(Status.OK, right) for right in wanted(compiled, part)]
    config = networks()[0].config
    lines = run(harness(bus), commands)
    assert lines[0] == (Status.OK, [str(config.rows), str(config.cols), "8"])
    for line, right in zip(lines[1:], expected[1:], strict=True):
        assert (line if len(line[1]) == 2 else answer(line)) == right


@pytest.mark.parametrize("bus", Bus)
def test_every_failure_has_a_status_and_a_load_brings_the_engine_back(harness, bus):
    compiled, _ = networks()
    batch = images(2)
    program = program_bytes(compiled)
    image = image_bytes(compiled, batch[0])
    again = [load(compiled), infer(compiled, batch[1])]

    def changed(at, bit):
        wrong = bytearray(program)
        wrong[at] ^= 1 << bit
        return load(compiled, bytes(wrong))

    def behind(size):
        return struct.pack("<II", ord("s"), size)

    steps = [
        (Status.ARGUMENT, [init(polls=0)]),
        (Status.NOT_FOUND, [init(absent=1)]),
        (Status.OK, [init()]),
        (Status.STOPPED, [infer(compiled, batch[0])]),
        (Status.VERSION, [changed(0, 5)]),  # The version, the rows, the columns.
        (Status.SHAPE, [changed(1, 5)]),
        (Status.SHAPE, [changed(2, 6)]),
        (Status.SIZE, [load(compiled, program[:-1])]),
        (Status.SIZE, [load(compiled, program + bytes(8))]),
        (Status.ENGINE, [changed(len(program) // 2, 3)]),
        (Status.OK, again),
        (Status.SIZE, [infer(compiled, image[:-1])]),
        (Status.OK, again[1:]),
        # Also where the driver is told a wrong size: the engine notices.
        (Status.SIZE, [behind(len(image) - 1), infer(compiled, image[:-1])]),
        (Status.OK, again),
        (Status.SIZE, [behind(len(image) + 3), infer(compiled, image + bytes(3))]),
        (Status.OK, again),
        # Stopped by somebody else.
        (Status.STOPPED, [struct.pack("<III", ord("w"), ADDRESS["control"], 0), infer(compiled, image)]),
        (Status.OK, again),
        (Status.ARGUMENT, [infer(compiled, b"")]),
    ]
    if bus is Bus.WISHBONE:
        steps += [
            (Status.TIMEOUT, [struct.pack("<II", ord("p"), 2), infer(compiled, image)]),
            (Status.OK, [struct.pack("<II", ord("p"), POLLS), *again]),
        ]
    lines = run(harness(bus), [command for _, commands in steps for command in commands])
    right = wanted(compiled, batch[1:])[0]
    for status, commands in steps:
        part, lines = lines[: len(commands)], lines[len(commands) :]
        assert part[-1][0] is status, (status, part)
        if commands[-1] is again[-1]:
            assert answer(part[-1]) == (Status.OK, right)


def test_an_engine_that_stops_says_why(harness):
    compiled, _ = networks()
    program = bytearray(program_bytes(compiled))
    program[len(program) // 2] ^= 8
    lines = run(harness(Bus.WISHBONE), [init(), load(compiled, bytes(program))])
    assert lines[1][0] is Status.ENGINE and lines[1][1][0] == "4"


def test_the_driver_uses_no_library_but_memory(tmp_path):
    folder = sources(tmp_path / "driver")
    undefined = subprocess.run(["nm", "-u", "shiftforge.o"], cwd=folder, capture_output=True, text=True, check=True)
    allowed = {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    assert {line.split()[-1] for line in undefined.stdout.splitlines()} <= allowed

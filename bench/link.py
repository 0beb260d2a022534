"""How busy the line to a board is while images stream: link, queues and a host with credit, in simulation."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
from amaranth.back import verilog
from rich.console import Console
from rich.table import Table

from host.protocol import FrameReader, answer_bytes, load_payload, request
from hw.bus import HostLink
from hw.bus.frame_types import Frame
from sim.verilator import environment

HARNESS = Path(__file__).parent / "link_stream.cpp"

CLOCK_HZ = 40_500_000
"""Of the iCEBreaker."""

CLASSES = 10

CASES = (
    # Image bytes, clocks of an inference, Mbaud: ResNet-8, MNIST with a small network, digits.
    ("ResNet-8", 3072, 224_874, 3.0),
    ("MNIST", 784, 60_000, 3.0),
    ("MNIST", 784, 60_000, 1.0),
    ("digits", 64, 11_445, 1.0),
)
LATENCY_US = 1000
"""From a reply's last byte to the host's next one: a USB frame."""


def compile_link(folder: Path, depth: int) -> Path:
    """Compile the link and the harness; return the program."""
    design = HostLink(b"", depth=depth)
    (folder / "link.v").write_text(verilog.convert(design, name="link", emit_src=False))
    command = [
        "verilator", "--cc", "--exe", "--build", "-O3", "--x-initial", "fast", "--x-assign", "fast", "-Wno-fatal",
        "-Wno-lint", "-Wno-style", "--top-module", "link", "--Mdir", "made", "-MAKEFLAGS", "OPT_FAST=-O2",
        "-MAKEFLAGS", "OPT_GLOBAL=-O1", "link.v", str(HARNESS),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Verilator failed: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return folder / "made" / "Vlink"


def expected(image: bytes) -> int:
    """Return every logit of the harness' engine."""
    total = 0
    for byte in image:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total - (1 << 32) if total >> 31 else total


def stream(program: Path, size: int, compute: int, mbaud: float, images: int, depth: int) -> dict[str, float]:
    """Stream images; return the line's use, and that all answers were right."""
    rng = np.random.default_rng(zlib.crc32(f"{size} {mbaud}".encode()))
    pictures = [rng.bytes(size) for _ in range(images)]
    frames = [request(Frame.LOAD, 0, load_payload(bytes(8), CLASSES, rng.bytes(100)))]
    frames += [request(Frame.INFER, i + 1 & 255, picture) for i, picture in enumerate(pictures)]
    data = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
    byte_tenths = round(CLOCK_HZ * 10 / (mbaud * 1e6) * 10)
    numbers = (size, images, compute, CLASSES, byte_tenths, depth - depth // 16, LATENCY_US * CLOCK_HZ // 1_000_000)
    done = subprocess.run([program, *map(str, numbers)], input=data, capture_output=True, timeout=1800, check=True)
    *replies, summary = done.stdout.decode().splitlines()
    found = json.loads(summary)
    right = 0
    for i, line in enumerate(replies):
        (message,) = FrameReader().feed(bytes.fromhex(line))
        logits = np.frombuffer(message.payload[: 4 * CLASSES], "<i4")
        sound = len(message.payload) == answer_bytes(CLASSES) and message.sequence == (i + 1 & 255)
        right += bool(sound and (logits == expected(pictures[i])).all())
    clocks = found["clocks"]
    return {
        "right": right,
        "lost_bytes": found["lost"],
        "images_a_second": round(images * CLOCK_HZ / clocks, 1),
        "line_busy": round(found["bytes"] * byte_tenths / 10 / clocks, 4),
        "payload_busy": round(images * size * byte_tenths / 10 / clocks, 4),
    }


def measure(images: int = 40, depth: int = 2048) -> list[dict[str, object]]:
    """Run all cases."""
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        program = compile_link(Path(folder), depth)
        return [
            {"network": name, "image_bytes": size, "clocks": compute, "mbaud": mbaud, "images": images}
            | stream(program, size, compute, mbaud, images, depth)
            for name, size, compute, mbaud in CASES
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--depth", type=int, default=2048, help="bytes of the queue from the host")
    arguments = parser.parse_args()
    found = measure(arguments.images, arguments.depth)
    table = Table(title=f"line to the board while images stream, {CLOCK_HZ / 1e6:g} MHz, host {LATENCY_US} us late")
    for name in found[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "network" else "right")
    for row in found:
        table.add_row(*(f"{value:.1%}" if name.endswith("busy") else f"{value}" for name, value in row.items()))
    Console().print(table)
    path = Path(__file__).parent / "results" / "link.json"
    path.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

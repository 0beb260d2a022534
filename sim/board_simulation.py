"""Runs images through a whole placed board: bytes on the serial line, and what its SPRAMs are told to store."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bitstreams.board import Board
from host.protocol import Answer, FrameReader, Message, check, load_payload, pack_lanes, read_answers, request
from hw.bus.frame_types import DIGEST_BYTES, Frame
from hw.bus.uart import half_bits
from hw.graph import digest
from hw.systolic.compiler import CompiledNetwork
from sim.monitor import TOP
from sim.netlist import Netlist
from sim.runner import ImageRun, compile_design, log_tail, pack_memory, run_testbench
from sim.verilator import SimulatorError

_MONITOR = f"""\
module {TOP} (
    input clk /*verilator public_flat_rw*/,
    input locked /*verilator public_flat_rw*/,
    input rx /*verilator public_flat_rw*/,
    output tx /*verilator public_flat_rw*/
);
    wire write;
    wire [13:0] address;
    wire [63:0] data;
    wire [15:0] mask;
    board board (.clk(clk), .locked(locked), .rx(rx), .tx(tx),
        .spram_write(write), .spram_address(address), .spram_data(data), .spram_mask(mask));

    integer file;
    reg [8191:0] name;
    initial begin
        file = 0;
        if ($value$plusargs("trace=%s", name)) file = $fopen(name, "w");
    end
    always @(posedge clk) if (write && file != 0) $fwrite(file, "%h %h %h\\n", address, mask, data);
    final $fclose(file);
endmodule
"""


def run_board(
    netlist: Netlist, board: Board, compiled: CompiledNetwork, images: np.ndarray, cache: Path
) -> list[ImageRun]:
    """Load the program and classify images over the UART, as a host does.

    Parameters
    ----------
    netlist : Netlist
        From :func:`~sim.netlist.routed_board`.
    board : Board
        For the bits' length: the design's clock and baud rate.
    compiled : CompiledNetwork
        The program.
    images : uint8 (images, channels, height, width)
        Stored numbers of the input tensor.
    cache : Path
        Folder of compiled simulations.

    Raises
    ------
    SimulatorError
        If the board does not answer, or the program does not arrive in its memory word by word.
    """
    requests = board_requests(compiled, images)
    divisor = half_bits(round(board.clock_mhz * 1e6), board.baud) / 2
    limit = int(max(map(len, requests)) * 10 * divisor) + 20 * compiled.predicted_cycles + 100_000
    simulation = compile_design(netlist.verilog, _MONITOR, cache)
    with tempfile.TemporaryDirectory(prefix="shiftforge-") as folder:
        job = Path(folder) / "job.json"
        trace = Path(folder) / "trace.txt"
        job.write_text(json.dumps({"frames": [frame.hex() for frame in requests], "divisor": divisor, "limit": limit}))
        run_testbench(simulation, "sim.link_testbench", job, trace)
        result = job.with_suffix(".result.json")
        if not result.exists():
            raise SimulatorError(f"the testbench failed: {log_tail(job.parent / 'cocotb.log')}")
        replies: list[str | None] = json.loads(result.read_text())
        if None in replies:
            raise SimulatorError(f"the board did not answer frame {replies.index(None)} within {limit} clocks")
        writes = list(_writes(trace, compiled))
    messages = [FrameReader().feed(bytes.fromhex(found or "")) for found in replies]
    answers = board_answers(compiled, [found for part in messages for found in part])
    parts = _by_image(writes, compiled, len(images))
    return [ImageRun(a.logits, a.klass, a.cycles, part) for a, part in zip(answers, parts, strict=True)]


def board_requests(compiled: CompiledNetwork, images: np.ndarray) -> list[bytes]:
    """Return a load and a request for every image, as a host sends them."""
    network, lanes = compiled.network, compiled.config.activation_bits
    program = pack_lanes(pack_memory(compiled), lanes)
    load = load_payload(bytes.fromhex(digest(network))[:DIGEST_BYTES], network.classes, program)
    packed = [pack_lanes(compiled.pack_image(image), lanes) for image in images]
    frames = [(Frame.LOAD, load), *((Frame.INFER, image) for image in packed)]
    return [request(kind, i & 255, payload) for i, (kind, payload) in enumerate(frames)]


def board_answers(compiled: CompiledNetwork, messages: list[Message]) -> list[Answer]:
    """Return the answers of a load's and the images' replies; ``HostError`` if one is another one."""
    check(messages[0], Frame.LOAD)
    return [answer for message in messages[1:] for answer in read_answers(message, compiled.network.classes)]


def _writes(trace: Path, compiled: CompiledNetwork) -> Iterator[tuple[int, int, int]]:
    """Yield address, lane mask and word of every write; an SPRAM masks groups of 4 bits."""
    parts = compiled.config.activation_bits // 4
    with trace.open() as lines:
        for line in lines:
            address, groups, data = (int(field, 16) for field in line.split())
            lanes = 0
            for lane in range(compiled.config.rows):
                found = groups >> parts * lane & (1 << parts) - 1
                if found not in (0, (1 << parts) - 1):
                    raise SimulatorError(f"word {address}: a part of lane {lane} is written, the mask is {groups:04x}")
                lanes |= bool(found) << lane
            yield address, lanes, data


def _by_image(
    writes: list[tuple[int, int, int]], compiled: CompiledNetwork, images: int
) -> list[list[tuple[int, int, int]]]:
    """Hold the first writes against the program, and part the others into images."""
    words = compiled.words
    everything = (1 << compiled.config.rows) - 1
    for i, (write, word) in enumerate(zip(writes, words, strict=False)):
        if write != (i, everything, word):
            raise SimulatorError(f"word {i} of the program arrived as {write[2]:x} at {write[0]}, sent was {word:x}")
    size = compiled.layouts[compiled.network.input].words + sum(layer.writes for layer in compiled.layers)
    if len(writes) != len(words) + images * size:
        raise SimulatorError(
            f"{len(writes)} words were written, {len(words)} of program and {size} for each of {images} images expected"
        )
    return [writes[len(words) + i * size : len(words) + (i + 1) * size] for i in range(images)]

"""The emitted Verilog: what memories hold at first is in it only where it says something."""

import re

from hw.systolic.config import MemoryKind
from hw.systolic.verilog import emit_verilog
from tests.systolic.support import make_config

BASES = {"h": 16, "d": 10}


def test_no_memory_has_a_line_of_zeros_for_every_word():
    text = emit_verilog(make_config(memory_words=16384))
    assert len(text) < 500_000
    assert re.search(r"reg \[\d+:0\] \S+ \[16383:0\];", text)
    assert not re.search(r"^    \S+\[\d+\] = ", text, re.MULTILINE)


def test_a_stored_program_is_in_the_memory_word_by_word():
    config = make_config(memory=MemoryKind.BLOCK, memory_words=64)
    words = [(36 * i + 2) & (1 << config.rows * config.activation_bits) - 1 for i in range(9)]
    text = emit_verilog(config, init=words)
    blocks = re.findall(r"  initial begin\n((?:    ram\d+\[\d+\] = \S+;\n)+)  end\n", text)
    lanes = [re.findall(r"\[(\d+)\] = \d+'([hd])([0-9a-f]+);", block) for block in blocks]
    assert all([int(i) for i, _, _ in lane] == list(range(64)) for lane in lanes)
    # The upper lanes hold zeros only, and must say so.
    assert len(lanes) == len(re.findall(r"reg \[\d+:0\] ram\d+ ", text)) > 1
    width = config.rows * config.activation_bits // len(lanes)
    held = [sum(int(lane[i][2], BASES[lane[i][1]]) << width * k for k, lane in enumerate(lanes)) for i in range(64)]
    assert held == words + [0] * 55

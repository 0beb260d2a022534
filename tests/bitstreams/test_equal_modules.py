"""Equal modules of a design become one, and the design stays what it is."""

import re

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitstreams.equal_modules import share_equal_modules
from bitstreams.synthesis import EQUAL
from bitstreams.toolchain import Toolchain
from hw.graph import Alphabet
from hw.systolic.engine import Engine
from tests.systolic.support import make_config


class Part(wiring.Component):
    """Adds a number and one of two signals that are no ports."""

    def __init__(self, number, outside):
        self.number, self.outside = number, outside
        super().__init__({"i": In(4), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i * 3 + (self.outside[0] ^ self.outside[1]) + self.number)
        return m


def design(numbers):
    m, rows = Module(), []
    inputs, outputs = [Signal(4, name=f"i{n}") for n in range(len(numbers))], []
    for n, number in enumerate(numbers):
        rows.append(Signal(8, name="row"))
        part = Part(number, (rows[-1][:4], rows[-1][4:]))
        m.submodules[f"part_{n}"] = part
        m.d.comb += part.i.eq(inputs[n])
        outputs.append(part.o)
    return rtlil.convert(m, name="top", ports=[*rows, *inputs, *outputs])


def modules(text):
    return re.findall(r"^module (\S+)$", text, re.M)


def flattened(folder, text):
    """Return a design as Yosys has it without hierarchy; ports without a name are numbered as they are declared."""
    (folder / "top.il").write_text(text)
    script = "read_rtlil top.il; hierarchy -top top; proc; flatten; opt_clean; rename -enumerate"
    Toolchain().run("yosys", ["-q", "-p", f"{script}; write_verilog -noattr flat.v"], folder, "yosys.log")
    names = {}

    def number(port):
        of = names.setdefault(port[1], {})
        return f"{port[1]}port {of.setdefault(port[2], len(of))}"

    return re.sub(r"(\S*)(port\$\d+\$\d+)", number, re.sub(r"/\*.*?\*/", "", (folder / "flat.v").read_text()))


def test_parts_that_differ_in_nothing_but_their_place_are_one(tmp_path):
    text = design([5, 5, 7, 5])
    shared = share_equal_modules(text, r"part_\d$")
    assert modules(shared) == [name for name in modules(text) if name not in (r"\top.part_1", r"\top.part_3")]
    assert flattened(tmp_path, shared) == flattened(tmp_path, text)


def test_parts_of_other_names_stay(tmp_path):
    text = design([5, 5, 5])
    assert modules(share_equal_modules(text, r"part_[12]$")) == [m for m in modules(text) if m != r"\top.part_2"]
    assert share_equal_modules(text, r"nothing") == text


@pytest.mark.parametrize("alphabet", [Alphabet.s3(3), Alphabet.parse("int-4")])
def test_the_pairs_of_an_engine_are_one(alphabet, tmp_path):
    config = make_config(alphabet=alphabet, rows=8, cols=8, tile_rows=4, tile_cols=4)
    text = rtlil.convert(Engine(config), name="top")
    shared = share_equal_modules(text, EQUAL)
    pairs = [name for name in modules(text) if re.search(EQUAL, name)]
    kept = [name for name in modules(shared) if re.search(EQUAL, name)]
    assert len(pairs) >= 32 and len(kept) <= 2
    assert flattened(tmp_path, shared) == flattened(tmp_path, text)

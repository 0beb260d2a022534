"""The link's assembler: where instructions are placed, and what it refuses."""

import pytest

from hw.bus.link_program import link_program
from hw.bus.microcode import ADDRESS_BITS, Assembler, Condition, Order, Pointer, Source, Write


def test_a_branch_has_its_two_ways_side_by_side():
    program = Assembler()
    program.do()
    program.label("here")
    program.branch(Condition.HAVE, "there", "here")
    program.label("there")
    program.go("here", cell=5)
    words, at = program.assemble()
    following = [word & ((1 << ADDRESS_BITS) - 1) for word in words]
    assert following[0] % 2 == 0
    assert following[at["here"]] == at["here"]
    assert following[at["here"]] % 2 == 0
    # The way that is taken is the next word.
    assert words[at["here"] + 1] == words[at["there"]]
    assert following[at["there"]] == at["here"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"source": Source.LOGIT}, "LOGIT is for bytes that are sent"),
        ({"order": Order.RUN, "write": Write.SAME}, "cannot have"),
        ({"order": Order.RUN, "cell": 3}, "cannot have"),
        ({"byte": 1, "pointer": Pointer.STEP}, "cannot have"),
        ({"cell": 128}, "cell has 7 bits"),
    ],
)
def test_what_an_instruction_cannot_do_is_refused(fields, says):
    program = Assembler()
    program.label("self")
    program.go("self", **fields)
    with pytest.raises(ValueError, match=says):
        program.assemble()


def test_a_branch_that_writes_is_refused():
    program = Assembler()
    program.label("self")
    program.branch(Condition.HAVE, "self", "self", write=Write.SAME)
    with pytest.raises(ValueError, match="cannot have"):
        program.assemble()


def test_a_program_that_is_too_long_is_refused():
    program = Assembler()
    program.label("first")
    for _ in range(1 << ADDRESS_BITS):
        program.do()
    program.go("first")
    with pytest.raises(ValueError, match="there is room for 512"):
        program.assemble()


def test_a_label_is_there_once():
    program = Assembler()
    program.label("here")
    with pytest.raises(ValueError, match="twice"):
        program.label("here")


@pytest.mark.parametrize("clusters", [1, 4])
def test_returns_follow_nothing(clusters):
    """The gateware puts the return register in the place of the next address, which must be 0."""
    words, _, _ = link_program(b"", clusters=clusters, timeout=256)
    returns = 0
    for word in words:
        kind, source = word >> ADDRESS_BITS & 3, word >> (ADDRESS_BITS + 2) & 15
        if kind == 1 and source == Condition.RETURN:
            returns += 1
            assert word & ((1 << ADDRESS_BITS) - 1) == 0
    assert returns >= 2

"""A pair of shift-add cells equals two multiplications, for every weight pair and every activation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth import Array, Const, Signal, Value
from amaranth.hdl import signed

from hw.graph import Alphabet
from hw.systolic.processing_element import CellPair, cell_codes, spare_code
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem

Cells = Callable[[int, Alphabet], CellPair]


def cell_pair_harness(activation_bits: int, alphabet: Alphabet, cells: Cells = CellPair) -> Harness:
    """Compare ``total`` with ``w0 * a0 + w1 * a1``, two clocks after the activations, and one less if ``w1 < 0``.

    With signs apart it is one less for each negative weight.

    The prover captures any weights of the alphabet in any clock; activations may come in every clock but that one.
    ``activation_bits`` and ``alphabet`` are the cells' parameters, ``cells`` makes them.
    """
    h = Harness()
    m = h.module
    dut, signals = inside(pair := cells(activation_bits, alphabet))
    m.submodules.dut = dut
    values = alphabet.values
    chosen = [h.free(range(len(values)), f"weight{i}") for i in range(2)]
    capture = h.free(1, "capture")
    a0, a1 = h.free(activation_bits, "a0"), h.free(activation_bits, "a1")
    for index in chosen:
        h.assume(index < len(values))
    pairs = np.array([[[u, v] for v in values] for u in values]).reshape(-1, 2).T
    codes = cell_codes(alphabet, pairs, apart=pair.apart).reshape(2, len(values), len(values))
    m.d.comb += [pair.a0.eq(a0), pair.a1.eq(a1), pair.capture.eq(capture)]
    for port, table in ((pair.code0, codes[0]), (pair.code1, codes[1])):
        with m.Switch(chosen[0]):
            for u in range(len(values)):
                with m.Case(u), m.Switch(chosen[1]):
                    for v in range(len(values)):
                        with m.Case(v):
                            m.d.comb += port.eq(int(table[u, v]))

    # The weights that were captured last, as numbers.
    held = Signal()
    weights = [Signal(signed(alphabet.max_shift + 2), name=f"held{i}") for i in range(2)]
    numbers = Array(Const(value, signed(alphabet.max_shift + 2)) for value in values)
    with m.If(capture):
        m.d.sync += [held.eq(1), *(weight.eq(numbers[index]) for weight, index in zip(weights, chosen, strict=True))]
    width = len(pair.total) + 1
    wanted = Signal(signed(width))
    upper_too = weights[0] < 0 if pair.apart else Const(0)
    m.d.comb += wanted.eq(weights[0] * a0 + weights[1] * a1 - (weights[1] < 0) - upper_too)
    h.claim(
        "total = w0·a0 + w1·a1 - (w1 < 0)" + " - (w0 < 0)" * pair.apart,
        ~h.past(held & ~capture, pair.cycles()) | (pair.total == h.past(wanted, pair.cycles())),
    )

    # For the induction: what the cells hold belongs to these weights.
    legal = h.begins | ~held
    for i, weight in enumerate(weights):
        h.claim(f"weight {i} is one of the alphabet", legal | _any(weight == value for value in values))
        h.claim(
            f"the cells hold weight {i}'s shift",
            legal | _any(_shift_is(signals, alphabet, i, weight, k) for k in range(-1, alphabet.max_shift + 1)),
        )
    h.claim("the cells hold the first sign", legal | (signals["negative"] == (weights[0] < 0)))
    if pair.apart:
        h.claim("the cells hold the second sign", legal | (signals["negative1"] == (weights[1] < 0)))
    else:
        differ = (weights[0] < 0) ^ (weights[1] < 0)
        h.claim("the cells hold whether signs differ", legal | (signals["differ"] == differ))
    return h


def _any(conditions: object) -> Value:
    result: Value = Const(0)
    for condition in conditions:  # type: ignore[attr-defined]
        result = result | condition
    return result


def _shift_is(signals: dict[str, Signal], alphabet: Alphabet, i: int, weight: Value, k: int) -> Value:
    """Return whether the weight is ``±2^k`` (0 for -1) and the cell's registers say so."""
    shift = signals[f"shift{i}"]
    one_of_two = (weight == 1 << k) | (weight == -(1 << k)) if k >= 0 else weight == 0
    if spare_code(alphabet):
        two = signals[f"two{i}"] == (k == 2) if f"two{i}" in signals else Const(1)
        return one_of_two & (shift == (3 if k < 0 else k)) & two
    some = signals.get(f"some{i}", Const(1)) if alphabet.has_zero else Const(1)
    return one_of_two & ((~some & (shift == 0)) if k < 0 else some & (shift == k))


ALPHABETS = (
    (8, "s3-2"), (8, "s3-3"), (8, "s3-4"), (8, "s3-4-max8"), (8, "s3-5"), (8, "dense-2"), (8, "dense-3"),
    (8, "dense-4"),
    (4, "s3-2"), (4, "s3-3"), (4, "s3-4"), (4, "s3-4-max8"), (4, "dense-2"), (4, "dense-3"), (4, "dense-4"),
)  # fmt: skip
"""Activation bits and alphabets of the cells that are proved."""


def signs_apart(activation_bits: int, alphabet: Alphabet) -> CellPair:
    """Return cells whose products have a sign each."""
    return CellPair(activation_bits, alphabet, apart=True)


def theorem(activation_bits: int, name: str, cells: Cells = CellPair) -> Theorem:
    """Return the theorem for cells of an alphabet."""
    alphabet = Alphabet.parse(name)
    signs = ", signs apart," if cells is signs_apart else ""
    return Theorem(
        f"two cells of {name} with {activation_bits}-bit activations{signs} equal two multiplications",
        lambda: cell_pair_harness(activation_bits, alphabet, cells),
        Mode.INDUCTION,
        4,
    )

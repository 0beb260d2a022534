"""Two shift-add cells, one above the other, and the adder that joins their products."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.graph import Alphabet
from hw.systolic.widths import product_bits, sum_width


def borrow(alphabet: Alphabet, upper: np.ndarray, lower: np.ndarray, *, apart: bool) -> np.ndarray:
    """Return by how much a pair's sum is too low, for the weights of the upper and the lower cell.

    1 where the lower weight is negative, whatever the upper one is; where signs are ``apart`` (:class:`CellPair`) 1 for
    each negative weight. A multiplier's sum is exact.
    """
    upper_too = (upper < 0) & (alphabet.shifts and apart)
    return np.asarray((lower < 0) & alphabet.shifts, np.int64) + np.asarray(upper_too, np.int64)


def spare_code(alphabet: Alphabet) -> bool:
    """Whether the shifts 0, 1, 2 leave a two-bit code for the weight 0, which then is shift 3."""
    return alphabet.shifts and alphabet.has_zero and alphabet.max_shift == 2


def cell_codes(alphabet: Alphabet, weights: np.ndarray, *, apart: bool) -> np.ndarray:
    """Return what the cells of a column keep of its weights (rows, ...), rows in pairs.

    These are the alphabet's codes, but for what the cells would have to compute: the sign bit of a lower weight tells
    whether it differs from the upper one's (not where signs are ``apart``), and with a :func:`spare_code` the magnitude
    is the shift.
    """
    codes = alphabet.encode(weights)
    if not alphabet.shifts:
        return codes
    sign, magnitude = codes >> alphabet.bits - 1, codes & (1 << alphabet.bits - 1) - 1
    if spare_code(alphabet):
        magnitude = np.where(magnitude == 0, 3, magnitude - 1)
    if not apart:
        sign[1::2] ^= sign[::2]
    return (sign << alphabet.bits - 1 | magnitude).astype(np.uint8)


def pair_ports(activation_bits: int, alphabet: Alphabet) -> dict[str, Any]:
    """Return the ports of two cells: activations, :func:`cell_codes`, ``capture``, and the signed ``total``."""
    return {
        "a0": In(activation_bits),
        "a1": In(activation_bits),
        "code0": In(alphabet.bits),
        "code1": In(alphabet.bits),
        "capture": In(1),
        "total": Out(signed(sum_width(activation_bits, alphabet, rows=2))),
    }


class CellPair(wiring.Component):
    """Weight-stationary cells of rows ``2i`` and ``2i + 1``: ``total = w0·a0 + w1·a1 - borrow``.

    The sign of a weight costs no adder and no carry: a negative number is made by the bitwise complement, which is one
    less than the negation; the compiler adds the number of borrows of a column (:func:`borrow`) to its constant. There
    are two ways to it.

    ::

                         code[0] ─► weight                 code[1] ─► weight
                                       │                                 │
            a[0] ─────► 0 or a << k ◄──┤     a[1] ────► 0 or a << k ◄────┤
                             │         │                     │           │
                          product      │          product, complemented if the signs differ
                             └─────────┼───────► + ◄─────────┘
                                       └─► complemented if weight 0 is negative
                                                │
                                              total

    If the upper weight is negative the sum is complemented, and the lower product too unless its own weight is
    negative. So the sum is one too low exactly where the lower weight is negative, whatever the activations.
    Complementing the sum rides in the adder's own lookup tables, which an iCE40 has behind the carry.

    With signs ``apart``, as an ECP5's tables are before the carry, both products are complemented where their own
    weights are negative, in the tables that shift them (:attr:`~hw.systolic.config.EngineConfig.signs_apart`). There,
    a complemented sum costs a table a bit.

    A zero weight rides in the shifter's tables. Signs have one register each, with no delay beside the products: codes
    come between activations, so no sum is under way when they change.

    Parameters
    ----------
    activation_bits : int
        Width of an (unsigned) activation, 2 to 8 bits.
    alphabet : Alphabet
        The weights; their codes come from :func:`cell_codes`.
    apart : bool
        Every product has its own sign.

    Ports
    -----
    a0, a1 : unsigned(activation_bits), in
        Registered activations of the upper and the lower row.
    code0, code1 : unsigned(alphabet.bits), in
        Codes; those that are there while ``capture`` is high become the weights.
    capture : in
        Takes the codes. An activation of the clock before still meets the old weights, one of the clock after the new;
        there is none in the clock itself.
    total : signed, out
        The pair's sum.

    Latency
    -------
    Two clocks from ``a0``/``a1`` to ``total``.
    """

    def __init__(self, activation_bits: int, alphabet: Alphabet, *, apart: bool = False) -> None:
        if not alphabet.shifts:
            raise ValueError(f"a shift-add cell has no alphabet {alphabet}")
        if not 1 <= activation_bits <= 8:
            raise ValueError(f"activation_bits must be 1..8, got {activation_bits}")
        self.activation_bits = activation_bits
        self.alphabet = alphabet
        self.apart = apart
        self.total_width = sum_width(activation_bits, alphabet, rows=2)
        super().__init__(pair_ports(activation_bits, alphabet))

    def model(self, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Return ``total`` for weight values ``(2,)`` and activations ``(n, 2)``, as int64 ``(n,)``."""
        weights = np.asarray(weights, np.int64)
        exact = np.asarray(activations, np.int64) @ weights
        return np.asarray(exact - borrow(self.alphabet, weights[0], weights[1], apart=self.apart))

    def cycles(self) -> int:
        """Return the latency from activations to ``total`` in clocks."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = product_bits(self.activation_bits, self.alphabet)
        # The sign bits of the codes: of the sum and of the lower product, or of both products.
        signs = [Signal(name=name, reset_less=True) for name in ("negative", "negative1" if self.apart else "differ")]
        codes = (self.code0, self.code1)
        with m.If(self.capture):
            m.d.sync += [sign.eq(code[-1]) for sign, code in zip(signs, codes, strict=True)]
        products: list[Value] = []
        for i, a in enumerate((self.a0, self.a1)):
            product = Signal(width, name=f"product{i}", reset_less=True)
            shifted = self._shifter(m, i, codes[i][:-1], a)
            if self._complements(i):
                m.d.sync += product.eq(shifted ^ signs[i].replicate(width))
                products.append(Cat(product, signs[i]).as_signed())
            else:
                m.d.sync += product.eq(shifted)
                products.append(product)
        both = Signal(signed(self.total_width))
        m.d.comb += both.eq(products[0] + products[1])
        total = Signal(signed(self.total_width), reset_less=True)
        m.d.sync += total.eq(both if self.apart else both ^ signs[0].replicate(self.total_width))
        m.d.comb += self.total.eq(total)
        return m

    def _complements(self, i: int) -> bool:
        """Return whether product ``i`` is complemented where its sign bit is set."""
        return self.apart or i == 1

    def _shifter(self, m: Module, i: int, magnitude: Value, a: Value) -> Value:
        """Return ``a << k`` or 0, ``product_bits`` wide, for the active weight."""
        if spare_code(self.alphabet):
            return self._spare_shifter(m, i, magnitude, a)
        width = product_bits(self.activation_bits, self.alphabet)
        bits = self.alphabet.max_shift.bit_length()
        k = Signal(max(1, bits), name=f"shift{i}", reset_less=True)
        some = Signal(name=f"some{i}", reset_less=True)
        with m.If(self.capture):
            if self.alphabet.has_zero:
                m.d.sync += [k.eq(Mux(magnitude == 0, 0, magnitude - 1)), some.eq(magnitude != 0)]
            else:
                m.d.sync += k.eq(magnitude)
        value = a
        for bit in range(max(1, bits)):
            stage = Signal(width, name=f"stage{i}_{bit}")
            chosen = Mux(k[bit], (value << (1 << bit))[:width], value) if bits else value
            if bit == 0 and self.alphabet.has_zero:
                chosen = chosen & some.replicate(width)
            m.d.comb += stage.eq(chosen)
            value = stage
        return value

    def _spare_shifter(self, m: Module, i: int, magnitude: Value, a: Value) -> Value:
        """Return the same where shift 3 is the weight 0: no product bit takes more than two 4-input tables.

        What is complemented is so behind this, in the second table. It has one input less to choose with, so a
        register beside the code says whether the shift is 2.
        """
        width = product_bits(self.activation_bits, self.alphabet)
        code = Signal(2, name=f"shift{i}", reset_less=True)
        near, far = (Signal(width, name=f"{name}{i}") for name in ("near", "far"))
        with m.If(self.capture):
            m.d.sync += code.eq(magnitude)
        m.d.comb += near.eq(Mux(code[0], a << 1, a))
        if not self._complements(i):
            m.d.comb += far.eq((a << 2) & ~code[0].replicate(width))
            return Mux(code[1], far, near)
        two = Signal(name=f"two{i}", reset_less=True)
        with m.If(self.capture):
            m.d.sync += two.eq(magnitude == 2)
        m.d.comb += far.eq(Mux(two, a << 2, 0))
        return Mux(code[1], 0, near) | far

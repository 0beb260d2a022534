"""Two shift-add cells, one above the other, and the adder that joins their products."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.graph import Alphabet
from hw.systolic.widths import product_bits, sum_width


def borrow(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return by how much a pair's sum is too low, 0 or 1, for the weights of the upper and the lower cell.

    1 where the lower weight is negative, or zero under a negative one.
    """
    return ((lower < 0) | ((lower == 0) & (upper < 0))).astype(np.int64)


class CellPair(wiring.Component):
    """Weight-stationary cells of rows ``2i`` and ``2i + 1``: ``total = w0·a0 + w1·a1 - borrow``.

    ::

                    code[0] ─► shadow ─► weight        code[1] ─► shadow ─► weight
                                           │                                  │
            a[0] ─────────► 0 or a << k ◄──┤     a[1] ─────────► 0 or a << k ◄┤
                                │          │                         │        │
                             product       │           product, inverted if the signs differ
                                └──────────┼───────► + ◄─────────────┘
                                           └─► invert if weight 0 is negative
                                                     │
                                                   total

    The sign of a weight costs no adder and no carry: a negative number is made by the bitwise complement, which
    is one less than the negation. Of the four sign combinations two complement twice and come out exact, two
    end one too low, whatever the activations; :func:`borrow` says which. The compiler adds the number of
    borrows of a column to its constant. Complementing the sum rides in the adder's own lookup tables.

    Parameters
    ----------
    activation_bits : int
        Width of an (unsigned) activation, 2 to 8 bits.
    alphabet : Alphabet
        The weight codes: sign in the top bit, magnitude below.

    Ports
    -----
    a0, a1 : unsigned(activation_bits), in
        Registered activations of the upper and the lower row.
    code0, code1 : unsigned(alphabet.bits), in
        Weight codes on their way; taken into the shadow registers when ``capture`` is high.
    swap : in
        The shadow weights become the active weights for activations one clock after.
    total : signed, out
        The pair's sum.

    Latency
    -------
    Two clocks from ``a0``/``a1`` to ``total``. A weight that is swapped in at clock ``t`` (``swap`` high)
    multiplies the activations present at ``t + 1``.
    """

    def __init__(self, activation_bits: int, alphabet: Alphabet) -> None:
        if not 1 <= activation_bits <= 8:
            raise ValueError(f"activation_bits must be 1..8, got {activation_bits}")
        self.activation_bits = activation_bits
        self.alphabet = alphabet
        self.total_width = sum_width(activation_bits, alphabet, rows=2)
        super().__init__(
            {
                "a0": In(activation_bits),
                "a1": In(activation_bits),
                "code0": In(alphabet.bits),
                "code1": In(alphabet.bits),
                "capture": In(1),
                "swap": In(1),
                "total": Out(signed(self.total_width)),
            }
        )

    def model(self, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Return ``total`` for weight values ``(2,)`` and activations ``(n, 2)``, as int64 ``(n,)``."""
        weights = np.asarray(weights, np.int64)
        return np.asarray(activations, np.int64) @ weights - borrow(weights[0], weights[1])

    def cycles(self) -> int:
        """Return the latency from activations to ``total`` in clocks."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = product_bits(self.activation_bits, self.alphabet)
        products = []
        signs = [Signal(name=f"sign{i}", reset_less=True) for i in range(2)]
        shadows = []
        for i, code in enumerate((self.code0, self.code1)):
            shadow = Signal(self.alphabet.bits, name=f"shadow{i}", reset_less=True)
            with m.If(self.capture):
                m.d.sync += shadow.eq(code)
            shadows.append(shadow)
        # Kept recoded: the sign of the upper weight, and whether the two signs differ.
        with m.If(self.swap):
            m.d.sync += signs[0].eq(shadows[0][-1])
            m.d.sync += signs[1].eq(shadows[0][-1] ^ shadows[1][-1])
        for i, a in enumerate((self.a0, self.a1)):
            inverted = signs[1] if i else Const(0, 1)
            product = Signal(width + i, name=f"product{i}", reset_less=True)
            zero, shifted = self._shifter(m, i, shadows[i][:-1], a, inverted)
            with m.If(zero):
                m.d.sync += product.eq(0)
            with m.Else():
                m.d.sync += product.eq(Cat(shifted[:width], inverted) if i else shifted)
            products.append(product)
        sign_of_sum = Signal(reset_less=True)
        both = Signal(signed(self.total_width))
        m.d.sync += sign_of_sum.eq(signs[0])
        m.d.comb += both.eq(products[0] + products[1].as_signed())
        total = Signal(signed(self.total_width), reset_less=True)
        m.d.sync += total.eq(both ^ sign_of_sum.replicate(self.total_width))
        m.d.comb += self.total.eq(total)
        return m

    def _shifter(self, m: Module, i: int, magnitude: Value, a: Value, inverted: Value) -> tuple[Value, Value]:
        """Return (weight is zero, ``(a << k) ^ inverted`` of ``product_bits`` bits) for the active weight.

        The magnitude code is recoded when it is swapped in, where the flip-flop's own table does it for
        nothing, so that every product bit takes two 4-input tables, its inversion included.
        """
        width = product_bits(self.activation_bits, self.alphabet)
        top = self.alphabet.max_shift
        bits = max(1, top.bit_length())
        k = Signal(bits, name=f"shift{i}", reset_less=True)
        zero = Signal(name=f"zero{i}", reset_less=True)
        # The upper cell of the 3-bit alphabet has a spare code for zero: k = 3.
        spare = i == 0 and self.alphabet.has_zero and top == 2
        with m.If(self.swap):
            if not self.alphabet.has_zero:
                m.d.sync += k.eq(magnitude)
            elif spare:
                m.d.sync += k.eq(Mux(magnitude == 0, 3, magnitude - 1))
            else:
                m.d.sync += [k.eq(Mux(magnitude == 0, 0, magnitude - 1)), zero.eq(magnitude == 0)]
        flip = inverted.replicate(width)
        if top == 2:
            near = Signal(width, name=f"near{i}")
            m.d.comb += near.eq(Mux(k[0], a << 1, a) ^ flip)
            far = (a << 2) & ~k[0].replicate(width) if spare else a << 2
            return Const(0, 1) if spare else zero, Mux(k[1], far ^ flip, near)
        value: Value = a
        for bit in range(bits if top else 0):
            stage = Signal(width, name=f"stage{i}_{bit}")
            m.d.comb += stage.eq(Mux(k[bit], value << (1 << bit), value))
            value = stage
        return zero if self.alphabet.has_zero else Const(0, 1), (value ^ flip)[:width]

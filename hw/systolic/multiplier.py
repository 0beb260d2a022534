"""The rival's cells, with multipliers: for benches only."""

from __future__ import annotations

import numpy as np
from amaranth import Module, Signal
from amaranth.hdl import signed
from amaranth.lib import wiring

from hw.graph import Alphabet
from hw.systolic.processing_element import CellPair, pair_ports
from hw.systolic.widths import sum_width


class MultiplierPair(wiring.Component):
    """Takes the place of a :class:`~hw.systolic.processing_element.CellPair`: the same ports, the same latency.

    Parameters
    ----------
    activation_bits : int
        Width of an (unsigned) activation, 1 to 8 bits.
    alphabet : Alphabet
        Integers of 2 to 8 bits.

    Ports
    -----
    As :class:`~hw.systolic.processing_element.CellPair`; ``total = w0·a0 + w1·a1``.

    Latency
    -------
    Two clocks from ``a0``/``a1`` to ``total``: the products are registered, then their sum.
    """

    def __init__(self, activation_bits: int, alphabet: Alphabet) -> None:
        self.activation_bits = activation_bits
        self.alphabet = alphabet
        self.total_width = sum_width(activation_bits, alphabet, rows=2)
        super().__init__(pair_ports(activation_bits, alphabet))

    def model(self, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Return ``total`` for weight values ``(2,)`` and activations ``(n, 2)``, as int64 ``(n,)``."""
        return np.asarray(activations, np.int64) @ np.asarray(weights, np.int64)

    def cycles(self) -> int:
        """Return the latency from activations to ``total`` in clocks."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        products = []
        for i, (a, code) in enumerate(((self.a0, self.code0), (self.a1, self.code1))):
            weight = Signal(signed(self.alphabet.bits), name=f"weight{i}", reset_less=True)
            product = Signal(signed(self.activation_bits + self.alphabet.bits), name=f"product{i}", reset_less=True)
            with m.If(self.capture):
                m.d.sync += weight.eq(code.as_signed())
            m.d.sync += product.eq(a * weight)
            products.append(product)
        total = Signal(signed(self.total_width), reset_less=True)
        m.d.sync += total.eq(products[0] + products[1])
        m.d.comb += self.total.eq(total)
        return m


def cell_pair(activation_bits: int, alphabet: Alphabet, *, apart: bool) -> CellPair | MultiplierPair:
    """Return two cells for an alphabet: shift-add cells, with signs ``apart`` or not, or multipliers for integers."""
    if not alphabet.shifts:
        return MultiplierPair(activation_bits, alphabet)
    return CellPair(activation_bits, alphabet, apart=apart)

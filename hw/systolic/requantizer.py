"""Partial sum in, stored activation out."""

from __future__ import annotations

import numpy as np
from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line
from hw.systolic.program import factor_layout


class Requantizer(wiring.Component):
    """The output formula of the integer network, one result a clock, without a multiplier.

    ::

        clock 0  acc ──► register                                         r (add)      r (maximum)
              1          (acc << j)·[t≠0], complemented if t = -1  acc       │              │
              2                     └──────── + ────────────────────┘        ▼              │
              3          complemented back; << P mod 4                    << K mod 4        │
              4          << P - P mod 4                                   << K - K mod 4    │
              5             │                         addend B ──► + ◄───────┘              │
              6             └──────────────► T = + ◄───────────────┘                        │
              7          u = clamp(T >> S, 0, maximum)                                      ▼
              8          max(u, r) where the layer takes a maximum ◄────────────────────────┘

    ``S`` is one constant for all channels (the compiler scales ``P``, ``K`` and ``B`` to it), so it is wiring.
    ``B`` holds bias, rounding constant, zero points and the sign corrections of the cells.

    Parameters
    ----------
    config : EngineConfig
        Widths and the constant shift.

    Ports
    -----
    acc : signed(acc_width), in, at clock 0
    factor : :func:`~hw.systolic.program.factor_layout`, in, at clock 1
    residual : unsigned(activation_bits), in, at clock 2: the number to add, 0 for none
    addend : signed(scaled_width), in, at clock 4
    other : unsigned(activation_bits), in, at clock 7: the number to compare with, 0 for none
    residual_shift : 5 bits, in, constant during a layer
    maximum : unsigned(activation_bits), in, constant during a layer: ``2^b - 1``
    total : signed(scaled_width), out, at clock 6: ``T``, the logit of a layer that makes logits
    result : unsigned(activation_bits), out, at clock 8

    Latency
    -------
    Eight clocks from ``acc`` to ``result``, six to ``total``.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        a = config.activation_bits
        super().__init__(
            {
                "acc": In(signed(config.acc_width)),
                "factor": In(factor_layout(config)),
                "residual": In(a),
                "addend": In(signed(config.scaled_width)),
                "other": In(a),
                "residual_shift": In(5),
                "maximum": In(a),
                "total": Out(signed(config.scaled_width)),
                "result": Out(a),
            }
        )

    def model(
        self,
        acc: np.ndarray,
        factor: dict[str, np.ndarray],
        addend: np.ndarray,
        residual: np.ndarray,
        residual_shift: int,
        maximum: int,
        other: np.ndarray,
    ) -> np.ndarray:
        """Return ``result`` for int64 arrays of equal length; ``factor`` by field name."""
        total = self.model_total(acc, factor, addend, residual, residual_shift)
        return np.maximum(np.clip(total >> self.config.output_shift, 0, maximum), other)

    def model_total(
        self,
        acc: np.ndarray,
        factor: dict[str, np.ndarray],
        addend: np.ndarray,
        residual: np.ndarray,
        residual_shift: int,
    ) -> np.ndarray:
        """Return ``T``; it must fit ``scaled_width``, which the compiler sees to."""
        large = np.where(factor["two_terms"], acc << (1 + factor["shift"]), 0)
        scaled = np.where(factor["subtract"], large - acc, large + acc) << factor["scale_shift"]
        return scaled + (residual << residual_shift) + addend

    def cycles(self) -> int:
        """Return the latency from ``acc`` to ``result`` in clocks."""
        return 8

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width = config.scaled_width

        # 1: the accumulator; the factor arrives.
        acc1 = Signal(signed(config.acc_width), reset_less=True)
        m.d.sync += acc1.eq(self.acc)
        two, subtract = self.factor.two_terms, self.factor.subtract
        scale = delay_line(m, self.factor.scale_shift, 3, "scale_shift")

        # 2: both operands of the two-term factor.
        near = Signal(signed(config.acc_width + 4))
        m.d.comb += near.eq(Mux(two, Mux(self.factor.shift[0], acc1 << 2, acc1 << 1), 0))
        large2 = Signal(signed(config.acc_width + 4), reset_less=True)
        acc2 = Signal(signed(config.acc_width), reset_less=True)
        subtract2 = Signal(reset_less=True)
        flip = subtract.replicate(len(large2))
        m.d.sync += [
            large2.eq(Mux(self.factor.shift[1], near << 2, near) ^ flip),
            acc2.eq(acc1),
            subtract2.eq(subtract),
        ]

        # 3: X - acc = ~(~X + acc).
        both = Signal(signed(config.acc_width + 5))
        product3 = Signal(signed(config.acc_width + 5), reset_less=True)
        m.d.comb += both.eq(large2 + acc2)
        m.d.sync += product3.eq(both ^ subtract2.replicate(len(both)))

        # 4, 5: the scale shift, and beside it the residual's.
        low4 = Signal(signed(config.acc_width + 8), reset_less=True)
        scaled5 = Signal(signed(width), reset_less=True)
        m.d.sync += low4.eq(_shift(product3, scale[2][:2], 1))
        m.d.sync += scaled5.eq(_shift(low4, scale[3][2:], 4))
        residual3 = Signal(config.activation_bits + 3, reset_less=True)
        residual4 = Signal(width, reset_less=True)
        m.d.sync += residual3.eq(_shift(self.residual, self.residual_shift[:2], 1))
        bits = config.max_residual_shift.bit_length()
        m.d.sync += residual4.eq(_shift(residual3, self.residual_shift[2 : max(2, bits)], 4))
        plus5 = Signal(signed(width), reset_less=True)
        m.d.sync += plus5.eq(residual4.as_signed() + self.addend)

        # 6, 7: round and clamp.
        total6 = Signal(signed(width), reset_less=True)
        m.d.sync += total6.eq(scaled5 + plus5)
        m.d.comb += self.total.eq(total6)
        shifted = total6[config.output_shift :]
        # Above ``maximum = 2^b - 1`` if any bit above its b bits is set.
        limit = Signal(max(len(shifted) - 1, config.activation_bits))
        over = Signal()
        m.d.comb += [limit.eq(self.maximum), over.eq((shifted[:-1] & ~limit).any())]
        clamped7 = Signal(config.activation_bits, reset_less=True)
        with m.If(total6[-1]):
            m.d.sync += clamped7.eq(0)
        with m.Else():
            m.d.sync += clamped7.eq(Mux(over, self.maximum, shifted[:-1]))

        # 8
        result8 = Signal(config.activation_bits, reset_less=True)
        m.d.sync += result8.eq(Mux(self.other > clamped7, self.other, clamped7))
        m.d.comb += self.result.eq(result8)
        return m


def _shift(value: Value, amount: Value, unit: int) -> Value:
    """Return ``value << amount * unit``, a signed value staying signed."""
    for bit in range(len(amount)):
        value = Mux(amount[bit], value << (unit << bit), value)
    return value

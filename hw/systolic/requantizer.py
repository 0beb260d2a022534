"""Partial sum in, stored activation out."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.program import factor_layout, scale_bits


class Requantizer(wiring.Component):
    """The output formula of the integer network, one result a clock, without a multiplier.

    ::

        clock 0  acc ──► register
              1  (acc << j)·[t≠0] ± acc ──► register                     r (add)        r (maximum)
              2  << P ──► register                      addend B ──► + ◄─ << K             │
              3      └──────────────► T = + ◄────────────────────────┘                     │
              4          u = clamp(T >> S, 0, maximum)                                      │
              5          max(u, r) where the layer takes a maximum (``max_pool``) ◄─────────┘

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
    scale_shift, in, at clock 2: ``P``
    residual : unsigned(activation_bits), in, at clock 1: the number to add, 0 for none
    addend : signed(scaled_width), in, at clock 2; its ``late_addend_bits`` lowest bits at clock 3
    other : unsigned(activation_bits), in, at clock 5: the number to compare with, 0 for none
    residual_shift : 5 bits, in, constant during a layer: ``K - min_residual_shift``
    maximum : unsigned(activation_bits), in, constant during a layer: ``2^b - 1``
    total : signed(scaled_width), out, at clock 4: ``T``, the logit of a layer that makes logits
    result : unsigned(activation_bits), out, at clock 5, or 6 with ``max_pool``

    Latency
    -------
    Five clocks from ``acc`` to ``result``, six with ``max_pool``; four to ``total``.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        a = config.activation_bits
        super().__init__(
            {
                "acc": In(signed(config.acc_width)),
                "factor": In(factor_layout(config)),
                "scale_shift": In(scale_bits(config)),
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
        scale_shift: np.ndarray,
        addend: np.ndarray,
        residual: np.ndarray,
        residual_shift: int,
        maximum: int,
        other: np.ndarray,
    ) -> np.ndarray:
        """Return ``result`` for int64 arrays of equal length; ``factor`` by field name."""
        total = self.model_total(acc, factor, scale_shift, addend, residual, residual_shift)
        clamped = np.clip(total >> self.config.output_shift, 0, maximum)
        return np.asarray(np.maximum(clamped, other) if self.config.max_pool else clamped)

    def model_total(
        self,
        acc: np.ndarray,
        factor: dict[str, np.ndarray],
        scale_shift: np.ndarray,
        addend: np.ndarray,
        residual: np.ndarray,
        residual_shift: int,
    ) -> np.ndarray:
        """Return ``T``; it must fit ``scaled_width``, which the compiler sees to."""
        large = np.where(factor["two_terms"], acc << (1 + factor["shift"]), 0)
        scaled = np.where(factor["subtract"], large - acc, large + acc) << scale_shift
        return np.asarray(scaled + (residual << residual_shift + self.config.min_residual_shift) + addend)

    def cycles(self) -> int:
        """Return the latency from ``acc`` to ``result`` in clocks."""
        return timing.requantizer(self.config)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width = config.scaled_width

        # 1: the accumulator; the factor arrives.
        acc1 = Signal(signed(config.acc_width), reset_less=True)
        m.d.sync += acc1.eq(self.acc)

        # 2: the two-term factor; X - acc = ~(~X + acc).
        near = Signal(signed(config.acc_width + 4))
        large = Signal(signed(config.acc_width + 4))
        both = Signal(signed(config.acc_width + 5))
        product2 = Signal(signed(config.acc_width + 5), reset_less=True)
        flip = self.factor.subtract.replicate(len(large))
        m.d.comb += [
            near.eq(Mux(self.factor.two_terms, Mux(self.factor.shift[0], acc1 << 2, acc1 << 1), 0)),
            large.eq(Mux(self.factor.shift[1], near << 2, near) ^ flip),
            both.eq(large + acc1),
        ]
        m.d.sync += product2.eq(both ^ self.factor.subtract.replicate(len(both)))
        range_bits = (config.max_residual_shift - config.min_residual_shift).bit_length()
        moved = _shift(m, self.residual, self.residual_shift[:range_bits], "residual")
        residual2 = Signal(len(moved), reset_less=True)
        m.d.sync += residual2.eq(moved)

        # 3: the scale shift, and beside it the residual and the addend.
        scaled3 = Signal(signed(width), reset_less=True)
        late = config.late_addend_bits
        plus3 = Signal(signed(width - late), reset_less=True)
        m.d.sync += [
            scaled3.eq(_shift(m, product2, self.scale_shift, "scaled")),
            plus3.eq((residual2 << config.min_residual_shift - late) + self.addend[late:].as_signed()),
        ]

        # 4, 5: round and clamp.
        total4 = Signal(signed(width), reset_less=True)
        m.d.sync += total4.eq(scaled3 + Cat(self.addend[:late], plus3).as_signed())
        m.d.comb += self.total.eq(total4)
        shifted = total4[config.output_shift :]
        maximum = self.maximum if config.mixed_bits else Const((1 << config.activation_bits) - 1)
        # Above ``maximum = 2^b - 1`` if any bit above its b bits is set.
        limit = Signal(max(len(shifted) - 1, config.activation_bits))
        over = Signal()
        m.d.comb += [limit.eq(maximum), over.eq((shifted[:-1] & ~limit).any())]
        clamped5 = Signal(config.activation_bits, reset_less=True)
        with m.If(total4[-1]):
            m.d.sync += clamped5.eq(0)
        with m.Else():
            m.d.sync += clamped5.eq(Mux(over, maximum, shifted[:-1]))

        # 6
        if config.max_pool:
            result6 = Signal(config.activation_bits, reset_less=True)
            m.d.sync += result6.eq(Mux(self.other > clamped5, self.other, clamped5))
            m.d.comb += self.result.eq(result6)
        else:
            m.d.comb += self.result.eq(clamped5)
        return m


def _shift(m: Module, value: Value, amount: Value, name: str) -> Value:
    """Return ``value << amount``, a signed value staying signed; ``name`` is that of the signals on the way."""
    for bit in range(len(amount)):
        shifted = Mux(amount[bit], value << (1 << bit), value)
        value = Signal(shifted.shape(), name=f"{name}_{bit}")
        m.d.comb += value.eq(shifted)
    return value

"""The requantiser equals its formula, for all inputs."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Cat, Const, Mux, Signal
from amaranth.hdl import signed

from hw.systolic.config import EngineConfig
from hw.systolic.requantizer import Requantizer
from sim.formal.harness import Harness, inside
from sim.formal.prove import Mode, Theorem

LARGEST_J = 4
"""Largest ``j`` of a factor ``2^j + t``."""


def requantizer_harness(
    config: EngineConfig, requantizer: Callable[[EngineConfig], Requantizer] = Requantizer
) -> Harness:
    """Compare ``T`` and the stored activation with the output formula of the integer network.

    ``T`` has ``scaled_width`` bits and is compared modulo their power of two: the compiler sees to it that it fits. The
    activation is then compared with the clamped ``T >> S``, so both together are the formula.
    """
    h = Harness()
    m = h.module
    fragment, signals = inside(dut := requantizer(config))
    m.submodules.dut = fragment
    width, late = config.scaled_width, config.late_addend_bits
    acc = h.free(signed(config.acc_width), "acc")
    t, j = h.free(signed(2), "t"), h.free(3, "j")
    scale = h.free(len(dut.scale_shift), "scale_shift")
    addend = h.free(signed(width), "addend")
    residual, other = h.free(config.activation_bits, "residual"), h.free(config.activation_bits, "other")
    offset = h.constant(5, "residual_shift")
    bits = h.constant(4, "stored_bits")
    maximum = Signal(config.activation_bits)
    m.d.comb += maximum.eq((1 << bits) - 1)
    h.assume((t != -2) & (j <= LARGEST_J) & ((j == 0) == (t == 0)))
    h.assume(scale <= config.max_scale_shift)
    h.assume(offset <= config.max_residual_shift - config.min_residual_shift)
    h.assume((bits <= config.activation_bits) & (bits >= (2 if config.mixed_bits else config.activation_bits)))

    # All inputs belong to the sum of this clock; the ports want them later.
    m.d.comb += [
        dut.acc.eq(acc),
        dut.factor.two_terms.eq(h.past(t != 0)),
        dut.factor.subtract.eq(h.past(t < 0)),
        dut.factor.shift.eq(h.past(Mux(t == 0, 0, j - 1)[:2])),
        dut.residual.eq(h.past(residual)),
        dut.scale_shift.eq(h.past(scale, 2)),
        dut.addend.eq(Cat(h.past(addend, 3)[:late], h.past(addend, 2)[late:])),
        dut.other.eq(h.past(other, 5)),
        dut.residual_shift.eq(offset),
        dut.maximum.eq(maximum),
    ]
    # The first claim cuts the second one in two: both together are the formula.
    scaled = Signal(signed(config.acc_width + 5))
    m.d.comb += scaled.eq((acc << j) + Mux(t == 0, Const(0), Mux(t > 0, acc, -acc)))
    product = signals["product2"]
    h.claim("acc' = (2^j + t)·acc", product == h.past(scaled, 2))
    total = Signal(signed(width))
    m.d.comb += total.eq(
        (product << h.past(scale, 2))
        + (h.past(residual, 2) << (offset + config.min_residual_shift))
        + h.past(addend, 2)
    )
    h.claim("T = acc'·2^P + r·2^K + B", dut.total == h.past(total, 2))

    rounded = Signal(signed(width))
    clamped = Signal(config.activation_bits)
    m.d.comb += rounded.eq(dut.total >> config.output_shift)
    with m.If(rounded < 0):
        m.d.comb += clamped.eq(0)
    with m.Elif(rounded > maximum):
        m.d.comb += clamped.eq(maximum)
    with m.Else():
        m.d.comb += clamped.eq(rounded)
    stored = h.past(clamped)
    if config.max_pool:
        compared = Mux(h.past(other, 5) > stored, h.past(other, 5), stored)
        h.claim("the result is max(r, clamp(T >> S, 0, maximum))", dut.result == h.past(compared))
    else:
        h.claim("the result is clamp(T >> S, 0, maximum)", dut.result == stored)
    return h


def theorem(
    name: str, config: EngineConfig, requantizer: Callable[[EngineConfig], Requantizer] = Requantizer
) -> Theorem:
    """Return the theorem for an engine."""
    return Theorem(
        f"the requantiser of {name} equals its formula",
        lambda: requantizer_harness(config, requantizer),
        Mode.INDUCTION,
        5,
    )

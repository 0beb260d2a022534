"""A layer's output formula in the terms of the gateware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.graph import Rescale, Tensor
from hw.systolic.compiler.plan import ChannelConstants, CompileError, Needs
from hw.systolic.widths import signed_width

Vector = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ColumnSums:
    """What the array adds up for each output channel, over all passes.

    Attributes
    ----------
    positive, negative : int64 (channels,)
        Sums of the positive and of the negative weights.
    borrows : int64 (channels,)
        By how much the array's sum is too low (:func:`~hw.systolic.processing_element.borrow`).
    """

    positive: Vector
    negative: Vector
    borrows: Vector

    def bounds(self, maximum: int) -> tuple[Vector, Vector]:
        """Return the hull of all partial sums, in any order, for activations up to ``maximum``."""
        return self.negative * maximum - self.borrows, self.positive * maximum

    def ends(self, maximum: int) -> tuple[Vector, Vector]:
        """Return the smallest and the largest sum behind the last pass, which some input of the array makes."""
        return self.negative * maximum - self.borrows, self.positive * maximum - self.borrows

    def width(self, maximum: int) -> int:
        """Least width in bits of the partial sums for activations up to ``maximum``."""
        low, high = self.bounds(maximum)
        return signed_width(int(low.min()), int(high.max()))


@dataclass(frozen=True, eq=False)
class OutputFormula:
    """Constants of every channel of a layer, and the widths that it needs."""

    channels: tuple[ChannelConstants, ...]
    needs: Needs


def output_formula(
    node: str,
    rescale: Rescale,
    sums: ColumnSums,
    source: Tensor,
    output: Tensor,
    residual: Tensor | None,
    output_shift: int,
) -> OutputFormula:
    """Scale a :class:`~hw.graph.Rescale` so that one constant shift ``output_shift`` serves all channels.

    ``floor(T / 2^S)`` does not change when ``T`` and ``2^S`` are multiplied by ``2^(output_shift - S)``. The
    zero points, ``-z·Σw``, and the corrections of the cells go into the addend.
    """
    if int(rescale.s.max()) > output_shift:
        raise CompileError(f"layer {node!r} shifts by {int(rescale.s.max())}, the engine by at most {output_shift}")
    spare = output_shift - rescale.s
    scale = rescale.p + spare
    shifts = rescale.k + spare
    if residual is not None and len(set(shifts.tolist())) > 1:
        raise CompileError(f"layer {node!r}: channels scale the residual differently (K - S is not constant)")
    residual_shift = int(shifts[0]) if residual is not None else 0
    factor = (1 << rescale.j) + rescale.t
    weight_sum = sums.positive + sums.negative
    residual_zero = residual.zero_point if residual is not None else 0
    addend = rescale.b - (residual_zero << rescale.k) + (output.zero_point << rescale.s)
    # Python integers: the products may pass 64 bits before the check below.
    addends = [
        (int(a) << int(d)) + (int(low) - source.zero_point * int(w)) * int(f) * (1 << int(p))
        for a, d, low, w, f, p in zip(addend, spare, sums.borrows, weight_sum, factor, scale, strict=True)
    ]
    low, high = sums.bounds(source.maximum)
    most = (residual.maximum << residual_shift) if residual is not None else 0
    totals = []
    for a, lo, hi, f, p in zip(addends, low, high, factor, scale, strict=True):
        totals += [a, a + int(lo) * int(f) * (1 << int(p)), a + most + int(hi) * int(f) * (1 << int(p))]
    return OutputFormula(
        channels=tuple(
            ChannelConstants(a, bool(t), bool(t < 0), int(j) - 1 if t else 0, int(p))
            for a, t, j, p in zip(addends, rescale.t, rescale.j, scale, strict=True)
        ),
        needs=Needs(
            sums.width(source.maximum),
            signed_width(min(totals), max(totals)),
            int(scale.max()),
            residual_shift if residual is not None else None,
        ),
    )


def logit_formula(bias: Vector, sums: ColumnSums, source: Tensor) -> OutputFormula:
    """Return the constants of the logits: ``T = acc + bias``."""
    weight_sum = sums.positive + sums.negative
    addends = bias.astype(np.int64) + sums.borrows - source.zero_point * weight_sum
    low, high = sums.bounds(source.maximum)
    totals = np.concatenate([addends, addends + low, addends + high])
    return OutputFormula(
        channels=tuple(ChannelConstants(int(a)) for a in addends),
        needs=Needs(sums.width(source.maximum), signed_width(int(totals.min()), int(totals.max())), 0, None),
    )

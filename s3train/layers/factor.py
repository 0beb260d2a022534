"""Batch norm's factor as one or two powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Values of 2^e·(1 + t·2^-j) in one octave, and how they are written: (value, e, t, j).
_TWO_TERMS = (
    (1.0, 0, 0, 0),
    (1.0625, 0, 1, 4),
    (1.125, 0, 1, 3),
    (1.25, 0, 1, 2),
    (1.5, 0, 1, 1),
    (1.75, 1, -1, 3),
    (1.875, 1, -1, 4),
    (2.0, 1, 0, 0),
)
_ONE_TERM = ((1.0, 0, 0, 0), (2.0, 1, 0, 0))


@dataclass(frozen=True)
class TwoTermFactor:
    """``sign·2^e·(1 + t·2^-j)`` per channel, as int64 tensors; ``value`` is the number itself in float64."""

    sign: Tensor
    e: Tensor
    t: Tensor
    j: Tensor

    @property
    def value(self) -> Tensor:
        """The factor as float64."""
        return self.sign * torch.exp2(self.e.double()) * (1 + self.t * torch.exp2(-self.j.double()))


LOWEST, HIGHEST = -16, 8
"""Range of ``e``."""


def round_factor(
    m: Tensor, *, terms: int = 2, low: int = LOWEST, high: int = HIGHEST, least: int | None = None
) -> TwoTermFactor:
    """Return the factor nearest to ``m`` (channels,), the smaller one on a tie.

    Parameters
    ----------
    m : float tensor
        Wanted factors; the comparison is in float64, ``sgn(0) = +1``.
    terms : int
        2, or 1 for a single power of two.
    low, high : int
        Range of ``e``; outside of it the factor is ``2^low`` or ``2^high``.
    least : int or None
        Smallest ``e - j``, the exponent of the factor's last bit: near ``2^least`` the second term becomes coarser.
    """
    table = torch.tensor(_TWO_TERMS if terms == 2 else _ONE_TERM, dtype=torch.float64, device=m.device)
    m = m.detach().double()
    sign = torch.where(m >= 0, 1, -1)
    size = m.abs()
    floor = torch.frexp(size.clamp_min(2.0 ** (low - 1)))[1].double() - 1
    distance = ((size / torch.exp2(floor))[..., None] - table[:, 0]).abs()
    if least is not None:
        distance = distance.masked_fill(floor[..., None] + table[:, 1] - table[:, 3] < least, torch.inf)
    # argmin takes the first of equal distances, and the table ascends: the smaller value.
    entry = table[distance.argmin(dim=-1)].long()
    e, t, j = floor.long() + entry[..., 1], entry[..., 2], entry[..., 3]
    outside = (e < low) | (e > high)
    e = e.clamp(low, high)
    return TwoTermFactor(sign, e, t.masked_fill(outside, 0), j.masked_fill(outside, 0))

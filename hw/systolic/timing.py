"""Clocks from the decision to issue an operand slot (clock 0) to what happens later in the pipeline.

One table for gateware, cycle model and tests. ``I`` is the number of row pairs, ``G`` of column groups; a
figure for "group 0" is ``g`` clocks later in group ``g``.

====================================== =========================
event                                  clock
====================================== =========================
read address in the memory's register  1
data in the fetch register             3
lanes leave the operand fetch          4
column sum of group 0 valid            ``6 + I``
partial-sum address of group 0         ``4 + I``
partial sum of group 0 valid           ``7 + I``
requantised result of group 0          ``15 + I``
word on the write port                 ``14 + I + G``
====================================== =========================
"""

from __future__ import annotations

from hw.systolic.config import EngineConfig

FETCH = 3
"""Clocks from the decision to read to the data in the fetch register."""

LANES = FETCH + 1
"""Clocks from the decision to read to the lanes that enter the array."""

REQUANTIZER = 8
"""Clocks from a partial sum to its requantised result."""

PSUM_LOOP = 4
"""Least number of clocks between two slots that add to the same partial sum."""


def array_latency(config: EngineConfig) -> int:
    """Clocks from the lanes to the column sum of group 0 (:class:`~hw.systolic.array.ShiftAddArray`)."""
    return 2 + config.pairs


def column_sum(config: EngineConfig) -> int:
    """Clock in which the column sum of group 0 is valid."""
    return LANES + array_latency(config)


def psum_address(config: EngineConfig) -> int:
    """Clock in which the partial-sum read address of group 0 is valid."""
    return column_sum(config) - 2


def psum(config: EngineConfig) -> int:
    """Clock in which the new partial sum of group 0 is valid (and written)."""
    return column_sum(config) + 1


def write(config: EngineConfig) -> int:
    """Clock in which a slot's result word is on the write port."""
    return psum(config) + REQUANTIZER + config.groups - 1


def residual_read(config: EngineConfig) -> int:
    """Clock of the decision to read a slot's residual word that is *added*."""
    return psum(config) + 2 - FETCH


def maximum_read(config: EngineConfig) -> int:
    """Clock of the decision to read a slot's residual word that is *compared* (max pooling)."""
    return psum(config) + 7 - FETCH

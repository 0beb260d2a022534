"""Clocks from the decision to issue an operand slot (clock 0) to what happens later in the pipeline.

One table for gateware, cycle model and tests. ``A`` is the array's latency (:func:`array_latency`), ``R`` the
requantisers' (:func:`requantizer`); a figure for "group 0" is ``g`` clocks later in column group ``g``.

====================================== ==================================
event                                  clock
====================================== ==================================
read address in the memory's register  1
data in the fetch register             ``F`` (:func:`fetch`)
lanes leave the operand fetch          ``F + 1``
partial-sum address of group 0         ``F + 2 + A - P``, ``P`` = :func:`psum_read`
column sum of group 0 valid            ``F + 1 + A``
partial sum of group 0 valid           ``F + 2 + A``
requantised result of column 0         ``F + 2 + A + R``
word on the write port                 ``F + 2 + A + R + result_skew``
====================================== ==================================
"""

from __future__ import annotations

from hw.systolic.config import EngineConfig


def fetch(config: EngineConfig) -> int:
    """Clocks from the decision to read to the data in the fetch register."""
    return 3 if config.registered_ram else 2


def lanes(config: EngineConfig) -> int:
    """Clocks from the decision to read to the lanes that enter the array."""
    return fetch(config) + 1


def array_latency(config: EngineConfig) -> int:
    """Clocks from the lanes to the column sum of group 0 (:class:`~hw.systolic.array.ShiftAddArray`)."""
    return 2 + (config.tile_rows // 2).bit_length() - 1 + config.tiles_down - 1


def column_sum(config: EngineConfig) -> int:
    """Clock in which the column sum of group 0 is valid."""
    return lanes(config) + array_latency(config)


def psum_read(config: EngineConfig) -> int:
    """Clocks from a slot's tag at the accumulator to the stored partial sum at its adder.

    One more where a register is between them: on an ECP5 the block RAM's own, and where sums of two image planes are
    shifted before they are added.
    """
    return 3 if config.registered_ram or config.image_planes == 2 else 2


def psum_loop(config: EngineConfig) -> int:
    """Least number of clocks between two slots that add to the same partial sum."""
    return psum_read(config) + 1


def psum_tag(config: EngineConfig) -> int:
    """Clock in which the accumulator of group 0 takes a slot's tag."""
    return column_sum(config) - psum_read(config)


def psum(config: EngineConfig) -> int:
    """Clock in which the new partial sum of group 0 is valid (and written)."""
    return column_sum(config) + 1


def requantizer(config: EngineConfig) -> int:
    """Clocks from a partial sum to its requantised result, behind the table where there is one."""
    return (6 if config.max_pool else 5) + table(config)


def table(config: EngineConfig) -> int:
    """Clocks of the table, of all results."""
    return 1 + config.registered_ram if config.table else 0


def write(config: EngineConfig) -> int:
    """Clock in which a slot's result word is on the write port."""
    return psum(config) + requantizer(config) + config.result_skew


def residual_read(config: EngineConfig) -> int:
    """Clock of the decision to read a slot's residual word that is *added*."""
    return psum(config) + 1 - fetch(config)


def maximum_read(config: EngineConfig) -> int:
    """Clock of the decision to read a slot's residual word that is *compared* (max pooling)."""
    return psum(config) + 5 - fetch(config)

"""The arrays that the search tries, and what of them can be pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hw.devices import Device, Family
from hw.systolic.compiler.plan import CompileError
from hw.systolic.config import SHORTEST_WORD, EngineConfig, MemoryKind

SHAPES = ((4, 4), (8, 4), (8, 8), (16, 4), (16, 8), (16, 16), (32, 8), (32, 16), (32, 32))
"""Rows and columns that are tried."""

MOST_CLUSTERS = 16
"""Clusters that are tried, where there can be more than one."""

_PINS = {"rows": "rows", "cols": "columns", "columns_per_requantizer": "columns a requantiser"}


def array_shapes(base: EngineConfig, device: Device, **pinned: int) -> list[EngineConfig]:
    """Return ``base`` with every array that a device can have and that is as pinned.

    Raises
    ------
    CompileError
        If a pin is not one of those that are left, with these; also if ``clusters`` is not.
    """
    shapes = list(_all_shapes(base, device))
    chosen = f"{base.activation_bits}-bit activations on {device.name}"
    for field, what in _PINS.items():
        if field not in pinned:
            continue
        allowed = sorted({getattr(config, field) for config in shapes})
        if pinned[field] not in allowed:
            raise CompileError(f"an engine for {chosen} can have {_list(allowed)} {what}, not {pinned[field]}")
        shapes = [config for config in shapes if getattr(config, field) == pinned[field]]
        chosen += f" with {pinned[field]} {what}"
    clusters, most = pinned.get("clusters", 1), most_clusters(base)
    if not 1 <= clusters <= most:
        if base.norm_bits:
            raise CompileError(f"polyphase sampling needs one cluster: every image has its own phase; got {clusters}")
        if most == 1:
            raise CompileError(
                f"an engine on {device.name} has 1 cluster, not {clusters}: more of them share a program memory of its "
                f"own, which engines on an ECP5 have"
            )
        raise CompileError(f"an engine on {device.name} can have 1 to {most} clusters, not {clusters}")
    return shapes


def most_clusters(config: EngineConfig) -> int:
    """Return how many clusters an engine can have."""
    return MOST_CLUSTERS if config.program_words and not config.norm_bits else 1


def with_shape(base: EngineConfig, family: Family, rows: int, cols: int, share: int) -> EngineConfig:
    """Return an engine with another array, in tiles that suit a family; a requantiser serves ``share`` columns.

    An iCE40's array is one tile; on an ECP5 sums of two columns share a block RAM.
    """
    tile = (rows, cols) if family is Family.ICE40 else (4, max(2, share))
    return replace(base, rows=rows, cols=cols, columns_per_requantizer=share, tile_rows=tile[0], tile_cols=tile[1])


def _all_shapes(base: EngineConfig, device: Device) -> Iterator[EngineConfig]:
    for rows, cols in SHAPES:
        word = rows * base.activation_bits
        if word != 64 if base.memory is MemoryKind.SPRAM else word < SHORTEST_WORD:
            continue
        if base.norm_bits and cols > 16 and not base.registered_ram:
            continue
        # Norms of phases take results that are two clocks apart.
        for share in (2, 4, 8) if base.norm_bits else (1, 2, 4, 8):
            if share <= cols:
                yield with_shape(base, device.family, rows, cols, share)


def _list(numbers: list[int]) -> str:
    """Return numbers as people say them."""
    return " or ".join([", ".join(map(str, numbers[:-1]))] * (len(numbers) > 1) + [str(numbers[-1])])

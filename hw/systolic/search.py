"""The fastest engine for networks on a device: array, clusters and requantisers, by the exact clock model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hw.devices import Device, Family
from hw.graph import Network
from hw.systolic.area import UNCERTAINTY, Area, estimate_area
from hw.systolic.compiler.plan import CompileError
from hw.systolic.config import SHORTEST_WORD, EngineConfig, MemoryKind
from hw.systolic.shape import base_config, fit_and_compile, fit_widths

FULL = {Family.ICE40: 0.97, Family.ECP5: 0.80}
"""Share of the tables that a design may take and still be routed at its clock; what takes more is close."""

SHAPES = ((4, 4), (8, 4), (8, 8), (16, 4), (16, 8), (16, 16), (32, 8), (32, 16), (32, 32))
"""Rows and columns that are tried."""


def most_full(family: Family) -> float:
    """Return the predicted share of a device's tables up to which an engine may fit after all.

    It is within the device, or :data:`FULL` is passed by no more than predictions are off.
    """
    return max(1.0, FULL[family] * (1 + UNCERTAINTY[family]))


@dataclass(frozen=True, eq=False)
class Candidate:
    """An engine that fits, and what it does with the first network.

    ``busy`` is the share of the cells' clocks that do a multiply-accumulate of the network. A ``close`` engine takes
    more than :data:`FULL` allows, up to :func:`most_full`: only placing tells whether it fits.
    """

    config: EngineConfig
    area: Area
    cycles: int
    busy: float
    close: bool = False

    @property
    def images_per_clock(self) -> float:
        """Throughput at a clock of 1."""
        return self.config.clusters / self.cycles

    def warning(self, device: Device) -> str:
        """Return what may happen to a close engine, with the numbers; of one that is sure to fit nothing."""
        if not self.close:
            return ""
        share = FULL[device.family]
        return (
            f"about {self.area.luts:,} of {device.luts:,} lookup tables are more than the {int(share * device.luts):,} "
            f"({share:.0%}) that are sure to be placed and routed; predictions are within "
            f"{UNCERTAINTY[device.family]:.1%}, so it may not fit, or end at a slower clock"
        )


def search(networks: Sequence[Network], device: Device, **pinned: int) -> list[Candidate]:
    """Return the engines that fit, the fastest for the first network first; of equally fast ones the smallest.

    Each shape of the array comes with every number of clusters that fits. Close engines come behind those that
    are sure to fit.

    Parameters
    ----------
    networks : sequence of Network
        What they are to run, one at a time.
    device : Device
        Where.
    pinned : int
        ``rows``, ``cols``, ``clusters``, ``columns_per_requantizer``: fixed to this.

    Raises
    ------
    CompileError
        If nothing fits, with the reason of the last shape that was tried.
    """
    found: list[Candidate] = []
    reason = "no shape of the array is left"
    for config in _shapes(networks, device, pinned):
        try:
            config, (compiled, *_) = fit_and_compile(networks, fit_widths(networks, config), device)
        except (CompileError, ValueError) as error:
            reason = str(error)
            continue
        most = 16 if config.program_words and not config.norm_bits else 1
        for clusters in [pinned["clusters"]] if "clusters" in pinned else range(most, 0, -1):
            try:
                config = replace(config, clusters=clusters)
            except ValueError as error:
                reason = str(error)
                break
            area = estimate_area(config, device)
            if area.fits(device, most_full(device.family)):
                close = not area.fits(device, FULL[device.family])
                found.append(Candidate(config, area, compiled.predicted_cycles, compiled.busy, close))
            else:
                reason = (
                    f"{config.rows} x {config.cols} cells take about {area.luts} of {device.luts} lookup tables "
                    f"and {area.block_rams} of {device.block_rams} block RAMs"
                )
    if not found:
        raise CompileError(f"no engine for {', '.join(n.name for n in networks)} fits {device.name}: {reason}")
    return sorted(found, key=lambda c: (c.close, -c.images_per_clock, c.area.luts))


def _shapes(networks: Sequence[Network], device: Device, pinned: dict[str, int]) -> Iterator[EngineConfig]:
    base = base_config(networks, device)
    for rows, cols in SHAPES:
        if rows != pinned.get("rows", rows) or cols != pinned.get("cols", cols):
            continue
        word = rows * base.activation_bits
        if word != 64 if base.memory is MemoryKind.SPRAM else word < SHORTEST_WORD:
            continue
        # Norms of phases take results that are two clocks apart.
        for share in (2, 4) if base.norm_bits else (1, 2, 4):
            if share > cols or share != pinned.get("columns_per_requantizer", share):
                continue
            yield with_shape(base, device.family, rows, cols, share)


def with_shape(base: EngineConfig, family: Family, rows: int, cols: int, share: int) -> EngineConfig:
    """Return an engine with another array, in tiles that suit a family; a requantiser serves ``share`` columns.

    An iCE40's array is one tile; on an ECP5 sums of two columns share a block RAM.
    """
    tile = (rows, cols) if family is Family.ICE40 else (4, max(2, share))
    return replace(base, rows=rows, cols=cols, columns_per_requantizer=share, tile_rows=tile[0], tile_cols=tile[1])

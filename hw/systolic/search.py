"""The fastest engine for networks on a device: array, clusters and requantisers, by the exact clock model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from hw.devices import Device, Family
from hw.graph import Network
from hw.systolic.area import UNCERTAINTY, Area, estimate_area
from hw.systolic.array_shapes import array_shapes, most_clusters
from hw.systolic.compiler.plan import CapacityError, CompileError
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.shape import base_config, fit_and_compile, fit_memory, fit_widths

FULL = {Family.ICE40: 0.97, Family.ECP5: 0.80}
"""Share of the tables that a design may take and still be routed at its clock; what takes more is close."""


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
        If nothing fits, with the numbers of what comes nearest; if there is no array as pinned, with what there is.
    """
    found: list[Candidate] = []
    refused: list[tuple[float, str]] = []
    for shape in array_shapes(base_config(networks, device), device, **pinned):
        try:
            config, (compiled, *_) = fit_and_compile(networks, fit_widths(networks, shape), device)
        except CapacityError as error:
            refused.append((error.excess, f"the nearest has {shape.rows} x {shape.cols} cells: {error}"))
            continue
        except ValueError as error:
            refused.append((inf, str(error)))
            continue
        for clusters in [pinned["clusters"]] if "clusters" in pinned else range(most_clusters(config), 0, -1):
            config = replace(config, clusters=clusters)
            area = estimate_area(config, device)
            if area.fits(device, most_full(device.family)):
                close = not area.fits(device, FULL[device.family])
                found.append(Candidate(config, area, compiled.predicted_cycles, compiled.busy, close))
            else:
                refused.append(_closest(config, area, device))
    if not found:
        _, reason = min(refused, key=lambda one: one[0])
        raise CompileError(f"no engine for {', '.join(n.name for n in networks)} fits {device.name}: {reason}")
    return sorted(found, key=lambda c: (c.close, -c.images_per_clock, c.area.luts))


def _closest(config: EngineConfig, area: Area, device: Device) -> tuple[float, str]:
    """Return how far an engine that does not fit passes the device, and its numbers."""
    excess = max(area.luts / device.luts / most_full(device.family), area.block_rams / device.block_rams)
    times = f", {config.clusters} times," if config.clusters > 1 else ""
    units = f"{config.requantizers} requantiser" + "s" * (config.requantizers > 1)
    return excess, (
        f"the nearest has {config.rows} x {config.cols} cells{times} with {units} and takes about {area.luts:,} of "
        f"{device.luts:,} lookup tables and {area.block_rams} of {device.block_rams} block RAMs"
    )


def choose_config(networks: Sequence[Network], device: Device) -> EngineConfig:
    """Return a small engine for networks on a device (:func:`~hw.systolic.shape.base_config`), no wider than they need.

    Where it does not fit, one with half the requantisers, if that does; else the fastest that :func:`search` finds; and
    where there is none, the small engine all the same, for a simulation.

    Raises
    ------
    CompileError
        If a network does not fit the device's memory, with the numbers.
    """
    base = base_config(networks, device)
    first, compiled = fit_and_compile(networks, fit_widths(networks, base), device)
    area = estimate_area(first, device)
    if area.fits(device, 1.0):
        return first
    fewer = replace(base, columns_per_requantizer=2 * base.columns_per_requantizer)
    second = fit_memory(networks, fit_widths(networks, fewer), device)
    if estimate_area(second, device).fits(device, 1.0):
        return second
    try:
        return search(networks, device)[0].config
    except CompileError as error:
        if area.block_rams <= device.block_rams:
            return first
        if first.memory is MemoryKind.SPRAM:
            # Maps lie elsewhere: it says what the nearest engine takes.
            raise
        layer, words = max(compiled, key=lambda c: c.memory_words).fullest
        raise CompileError(
            f"the engine and its link need {area.block_rams} block RAMs ({first.memory_words} memory words of "
            f"{first.word_bits} bits), {device.name} has {device.block_rams}; most maps are alive at layer {layer!r}, "
            f"with {words} words"
        ) from error

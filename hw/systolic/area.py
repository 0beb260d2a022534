"""How much of a device an engine takes, estimated in no time.

The constants are fitted to whole boards (UART and link included) that ``make bench-systolic`` builds; they are for
choosing a shape, and a few percent off.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.devices import Device, Family
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.logit_output import DEPTH, buffer_layout
from hw.systolic.program import constant_layout
from hw.systolic.widths import product_bits


@dataclass(frozen=True)
class Area:
    """Lookup tables (iCE40: logic cells) and block RAMs."""

    luts: int
    block_rams: int

    def fits(self, device: Device, share: float) -> bool:
        """Whether the tables take at most ``share`` of the device, and the block RAMs are there."""
        return self.luts <= share * device.luts and self.block_rams <= device.block_rams


@dataclass(frozen=True)
class _Costs:
    product_bit: float
    cell: float
    sum_bit: float
    scaled_bit: float
    control: float


UNCERTAINTY = {Family.ICE40: 0.125, Family.ECP5: 0.125}
"""How far off the tables may be, as a share of what is placed; a test holds three placed boards against it."""

_COSTS = {
    Family.ICE40: _Costs(product_bit=3.0, cell=3.9, sum_bit=2.0, scaled_bit=5.0, control=1860),
    Family.ECP5: _Costs(product_bit=3.3, cell=3.0, sum_bit=2.2, scaled_bit=12.5, control=2400),
}
_TABLE_DEPTH = 64
"""Up to here Yosys makes a memory of constants of an ECP5's tables: found with depths of 30 and 48."""

_LINK_RAMS = {Family.ICE40: 5, Family.ECP5: 3}
"""Block RAMs of the link's microprogram, its cells and the queue to the host."""

# Data bits of a block RAM by its depth.
_SHAPES = {
    Family.ICE40: ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    Family.ECP5: ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2)),
}


def estimate_area(config: EngineConfig, device: Device) -> Area:
    """Return what a board with this engine takes of a device."""
    costs = _COSTS[device.family]
    cell = costs.product_bit * product_bits(config.activation_bits, config.alphabet) + costs.cell
    cluster = (
        config.rows * config.cols * cell
        + config.cols * config.acc_width * costs.sum_bit
        + config.requantizers * config.scaled_width * costs.scaled_bit
    )
    link = _LINK_RAMS[device.family] + _blocks(device.family, device.queue_bytes, 8)
    return Area(round(costs.control + config.clusters * cluster), link + _block_rams(config, device.family))


def _block_rams(config: EngineConfig, family: Family) -> int:
    constants = constant_layout(config).size * config.requantizers
    sums = config.groups * _blocks(family, config.psum_depth, config.tile_cols * config.acc_width)
    maps = 0 if config.memory is MemoryKind.SPRAM else _blocks(family, config.memory_words, config.word_bits)
    depth = config.constant_depth * config.columns_per_requantizer
    shared = 0 if family is Family.ECP5 and depth <= _TABLE_DEPTH else _blocks(family, depth, constants)
    shared += _blocks(family, max(1, config.program_words), config.word_bits) if config.program_words else 0
    buffer = _blocks(family, DEPTH, buffer_layout(config).size)
    return shared + config.clusters * (sums + maps + buffer)


def _blocks(family: Family, depth: int, width: int) -> int:
    """Return the fewest block RAMs of one shape that make a memory."""
    return min(-(-depth // deep) * -(-width // wide) for deep, wide in _SHAPES[family])

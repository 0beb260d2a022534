"""How much of a device an engine takes, estimated in no time.

Block RAMs are counted exactly. Lookup tables are a sum of counts of bits (:func:`count_parts`), each with a cost that
``make bench-prediction`` fits to synthesised boards, UART and link included, and writes into ``area_costs.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hw.devices import Device, Family
from hw.memory.main_memory import ecp5_block_rams
from hw.systolic.config import EngineConfig, MemoryKind
from hw.systolic.logit_output import DEPTH, buffer_layout
from hw.systolic.program import constant_layout, factor_layout, scale_bits
from hw.systolic.widths import product_bits, sum_width

COSTS = Path(__file__).with_name("area_costs.json")
"""Tables of every part by family, and how far off predictions may be."""


@dataclass(frozen=True)
class Area:
    """Lookup tables (iCE40: logic cells) and block RAMs."""

    luts: int
    block_rams: int

    def fits(self, device: Device, share: float) -> bool:
        """Whether the tables take at most ``share`` of the device, and the block RAMs are there."""
        return self.luts <= share * device.luts and self.block_rams <= device.block_rams


_COSTS = json.loads(COSTS.read_text())

UNCERTAINTY = {family: float(_COSTS[family.value]["uncertainty"]) for family in Family}
"""How far off the tables may be, as a share of what is placed: half as much again as the worst design of the sweep."""

_BLOCK_RAM_COST = 128
"""What Yosys weighs an ECP5's block RAM with, where one of its small RAMs, 16 x 4 bits made of tables, weighs 4."""

_FLIP_FLOPS = 64
"""Bits of a memory that Yosys makes of an iCE40's flip-flops."""

_LINK_RAMS = {Family.ICE40: 5, Family.ECP5: 3}
"""Block RAMs of the link's microprogram, its cells and the queue to the host."""

# Data bits of a block RAM by its depth.
_SHAPES = {
    Family.ICE40: ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    Family.ECP5: ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2)),
}


def estimate_area(config: EngineConfig, device: Device) -> Area:
    """Return what a board with this engine takes of a device."""
    costs = _COSTS[device.family.value]["costs"]
    tables = sum(costs.get(part, 0) * count for part, count in count_parts(config, device.family).items())
    link = _LINK_RAMS[device.family] + _blocks(device.family, device.queue_bytes, 8)
    return Area(round(tables), link + _block_rams(config, device.family))


def count_parts(config: EngineConfig, family: Family) -> dict[str, float]:
    """Return how many bits of each kind of logic an engine has.

    ``board``, ``spram`` and ``cluster`` stand for what hardly depends on the engine; ``addresses`` and ``steps`` are
    widths of the sequencer and the address generator; ``products`` and ``product_shifts`` are the cells' products (the
    latter once for every bit of the shift but the first), ``codes`` their weights, ``tree`` the adders between them,
    ``sums`` the accumulators. The others are parts of the requantisers: the columns' selection, factor, scale shift,
    residual shift, maximum. ``word`` is a memory word, ``argmax`` the logit that is compared, ``small_rams`` are the
    memories made of tables. ``wrapping`` are addresses and coordinates of maps that wrap around, ``norms`` and
    ``norm_lanes`` the sums of a map's phases and the lanes they are made of, ``table`` the results that pass one.
    """
    cells = config.rows * config.cols
    units, share, bits = config.requantizers, config.columns_per_requantizer, config.activation_bits
    product = cells * product_bits(bits, config.alphabet)
    residual_bits = (config.max_residual_shift - config.min_residual_shift).bit_length()
    groups, memories = _constant_memories(config)
    once = {
        "board": 1,
        "spram": int(config.memory is MemoryKind.SPRAM),
        "addresses": config.address_bits + config.program_bits,
        "steps": config.step_bits + config.coordinate_bits,
        "argmax": config.scaled_width * config.argmax,
        "wrapping": config.circular * (2 * config.address_bits + config.coordinate_bits),
        "norms": config.norm_bits,
        "norm_lanes": bits * config.cols * (config.norm_bits > 0),
        "small_rams": small_rams(family, 4, config.norm_bits) * (config.norm_bits > 0)
        + config.clusters * config.table * small_rams(family, 1 << bits, bits)
        + groups * sum(small_rams(family, *memory) for memory in memories)
        + config.clusters * small_rams(family, DEPTH, buffer_layout(config).size),
    }
    each = {
        "cluster": 1,
        "word": config.word_bits,
        "products": product,
        "product_shifts": product * max(0, config.alphabet.max_shift.bit_length() - 1),
        "codes": cells * config.alphabet.bits,
        "tree": config.cols * _tree_bits(config),
        "sums": config.cols * config.acc_width,
        "selection": config.acc_width * units * (share - 1),
        "factor": units * (config.acc_width + 5),
        "scale": units * config.scaled_width * scale_bits(config),
        "residual": units * (bits + (1 << residual_bits) - 1) * residual_bits,
        "maximum": units * bits * config.max_pool,
        "table": bits * (units + 1) * config.table,
    }
    return {**once, **{part: config.clusters * count for part, count in each.items()}}


def _tree_bits(config: EngineConfig) -> int:
    """Bits of the adders that join the pairs of a column, inside tiles and from tile to tile."""
    bits, alphabet = config.activation_bits, config.alphabet
    total, rows = 0, 4
    while rows <= config.tile_rows:
        total += config.rows // rows * sum_width(bits, alphabet, rows)
        rows *= 2
    return total + sum(sum_width(bits, alphabet, config.tile_rows * n) for n in range(2, config.tiles_down + 1))


def _block_rams(config: EngineConfig, family: Family) -> int:
    sums = config.groups * _blocks(family, config.psum_depth, config.tile_cols * config.acc_width)
    maps = 0
    if config.memory is not MemoryKind.SPRAM:
        maps = _word_rams(config, family, config.activation_bits, config.memory_words)
    shared = _constant_rams(config, family)
    if config.program_words:
        shared += _word_rams(config, family, config.word_bits, config.program_words)
    buffer = _rams(family, DEPTH, buffer_layout(config).size)
    table = _rams(family, 1 << config.activation_bits, config.activation_bits) if config.table else 0
    return shared + config.clusters * (sums + maps + buffer + table)


def _word_rams(config: EngineConfig, family: Family, lane_bits: int, depth: int) -> int:
    """Block RAMs of a memory of words that are written in lanes."""
    if config.registered_ram:
        return ecp5_block_rams(config.word_bits, lane_bits, depth)
    return _blocks(family, depth, config.word_bits)


def _constant_memories(config: EngineConfig) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return how many groups of requantisers have output constants of their own, and the memories of one group.

    Each is (depth, width): the factors', that of the addends and scale shifts, and that of the addends' late bits.
    """
    depth = config.constant_depth * config.columns_per_requantizer
    units = max(1, config.tile_cols // config.columns_per_requantizer)
    factor = factor_layout(config).size
    late = config.late_addend_bits
    addend = constant_layout(config).size - factor - late
    widths = (factor, addend, late) if late else (factor, addend)
    return config.requantizers // units, tuple((depth, units * width) for width in widths)


def small_rams(family: Family, depth: int, width: int) -> int:
    """Return the small RAMs that make a memory, 0 where it is of block RAMs.

    Yosys takes what weighs less; half a weight are a bit's selection of one more small RAM and its write enable.
    """
    deep, wide = -(-depth // 16), -(-width // 4)
    weight = 4 * deep * wide + (deep - 1) * (width + 1) / 2
    return deep * wide if family is Family.ECP5 and weight <= _BLOCK_RAM_COST * _blocks(family, depth, width) else 0


def _constant_rams(config: EngineConfig, family: Family) -> int:
    """Block RAMs of the output constants."""
    groups, memories = _constant_memories(config)
    return groups * sum(_rams(family, *memory) for memory in memories)


def _rams(family: Family, depth: int, width: int) -> int:
    """Return the block RAMs of a memory, 0 where it is of small ones, or of flip-flops."""
    flip_flops = family is Family.ICE40 and depth * width <= _FLIP_FLOPS
    return 0 if flip_flops or small_rams(family, depth, width) else _blocks(family, depth, width)


def _blocks(family: Family, depth: int, width: int) -> int:
    """Return the fewest block RAMs of one shape that make a memory."""
    return min(-(-depth // deep) * -(-width // wide) for deep, wide in _SHAPES[family])

"""What the engine's control tells its clusters in one clock."""

from __future__ import annotations

from amaranth.lib import data

from hw.systolic.config import EngineConfig
from hw.systolic.program import ResidualMode, factor_layout, scale_bits


def unit_constants(config: EngineConfig) -> data.StructLayout:
    """Layout of what a requantiser needs: ``addend`` and ``scale_shift``, and a clock earlier ``factor``.

    The ``late_addend_bits`` lowest bits of ``addend`` come a clock later than its others.
    """
    return data.StructLayout(
        {"addend": config.scaled_width, "scale_shift": scale_bits(config), "factor": factor_layout(config)}
    )


def control_layout(config: EngineConfig) -> data.StructLayout:
    """Layout of the control of a cluster.

    ======================================  ==============================================================
    ``read_address``                        word to read, unless a residual operand is due
    ``slot``, ``pixel0``, ``first``,        a slot is issued; it is its pass's first; flags of its pass
    ``last``, ``low``, ``shift_sums``       (``last`` only with ``slot``)
    ``outside``                             its operand lies outside the map
    ``load``, ``begin``                     weights are read; the first ones of a pass
    ``weights``                             the word of weights read ``timing.fetch`` clocks ago
                                            (only with a program memory of its own)
    ``border``, ``maximum``, ``logits``,    the layer's
    ``residual_mode``, ``residual_shift``
    ``lane_set``                            part of a memory word that the tile writes
    ``output_address``,                     of the next result and residual operand
    ``residual_address``
    ``image_valid``, ``image_address``,     a word of the image to write, for the clusters of ``image_valid``
    ``image_word``
    ``constants``                           of every requantiser
    ``table``                               the layer's: results go through the table
    ``table_restart``, ``table_valid``,     writes the table's next entry (``table_restart`` first); with ``table``
    ``table_entry``
    ======================================  ==============================================================
    """
    a, address = config.activation_bits, config.address_bits
    return data.StructLayout(
        {
            "read_address": address,
            "slot": 1,
            "pixel0": 1,
            "first": 1,
            "last": 1,
            "low": 1,
            "shift_sums": 1,
            "outside": 1,
            "load": 1,
            "begin": 1,
            "weights": config.word_bits if config.program_words else 0,
            "border": a,
            "maximum": a,
            "logits": 1,
            "residual_mode": ResidualMode,
            "residual_shift": 5,
            "lane_set": 2,
            "output_address": address,
            "residual_address": address,
            "image_valid": config.clusters,
            "image_address": address,
            "image_word": config.word_bits,
            "constants": data.ArrayLayout(unit_constants(config), config.requantizers),
            "table": int(config.table),
            "table_restart": int(config.table),
            "table_valid": int(config.table),
            "table_entry": a if config.table else 0,
        }
    )

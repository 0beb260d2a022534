"""Chooses an engine for a network and a device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hw.devices import Device, Family
from hw.graph import Alphabet, Network
from hw.graph.ops import Convolution, Logits
from hw.systolic.compiler.compile import compile_network
from hw.systolic.compiler.layout import choose_layouts
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError
from hw.systolic.config import EngineConfig, MemoryKind

_WIDEST: dict[str, Any] = {"acc_width": 32, "scaled_width": 48, "max_scale_shift": 31, "max_residual_shift": 31}


def smallest_alphabet(network: Network) -> Alphabet:
    """Return the smallest S3 alphabet that has every weight value of a network."""
    values: set[int] = set()
    for node in network.nodes:
        if isinstance(node, Convolution | Logits):
            values |= set(node.weight.ravel().tolist())
    for bits in range(2, 6):
        if values <= set(Alphabet.s3(bits).values):
            return Alphabet.s3(bits)
    raise CompileError(f"the weight {max(values, key=abs)} is in no alphabet of 2 to 5 bits")


def fit_widths(network: Network, config: EngineConfig) -> EngineConfig:
    """Return ``config`` with the least widths, shifts and constant memory that the network needs."""
    shifts = [int(node.rescale.s.max()) for node in network.nodes if hasattr(node, "rescale")]
    wide = replace(config, **_WIDEST, output_shift=max([0, *shifts]), constant_depth=1024)
    layers = Lowering(network, choose_layouts(network, wide), wide).layers()
    constants = {tile.constants for layer in layers for tile in layer.tiles}
    return replace(
        wide,
        acc_width=max(8, *(layer.needs.acc_width for layer in layers)),
        scaled_width=max(wide.output_shift + 2, *(layer.needs.scaled_width for layer in layers)),
        max_scale_shift=max(layer.needs.scale_shift for layer in layers),
        max_residual_shift=max(layer.needs.residual_shift for layer in layers),
        constant_depth=len(constants),
    )


def choose_config(network: Network, device: Device) -> EngineConfig:
    """Return an engine for a network on a device: 8 x 8 cells (8 x 4 on an iCE40), widths from the network's weights.

    Raises
    ------
    CompileError
        If the network does not fit the device's memory, with the numbers.
    """
    alphabet = smallest_alphabet(network)
    spram = device.sprams > 0
    block_words = 1 << 16
    base = EngineConfig(
        rows=8,
        cols=4 if device.family is Family.ICE40 else 8,
        activation_bits=8,
        alphabet=alphabet,
        **_WIDEST,
        output_shift=20,
        groups_per_requantizer=2,
        psum_depth=256 if device.family is Family.ICE40 else 512,
        constant_depth=1024,
        memory_words=16384 if spram else block_words,
        memory=MemoryKind.SPRAM if spram else MemoryKind.BLOCK,
    )
    config = fit_widths(network, base)
    if spram:
        compile_network(network, config)
        return config
    used = compile_network(network, config).memory_words
    # Block RAM comes in powers of two here: half-used blocks cost nothing more.
    words = max(64, 1 << (used - 1).bit_length())
    return replace(config, memory_words=words)

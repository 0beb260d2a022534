"""Chooses an engine for a network and a device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hw.devices import Device, Family
from hw.graph import Alphabet, Network
from hw.graph.ops import Convolution, Logits, MaxPool
from hw.systolic.compiler.compile import compile_network
from hw.systolic.compiler.layout import choose_layouts
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError
from hw.systolic.config import EngineConfig, MemoryKind

_WIDEST: dict[str, Any] = {
    "acc_width": 32,
    "scaled_width": 48,
    "max_scale_shift": 31,
    "min_residual_shift": 0,
    "max_residual_shift": 31,
    "max_pool": True,
    "mixed_bits": True,
    "coordinate_bits": 11,
}


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
    full = (1 << config.activation_bits) - 1
    image = network.tensor(network.input)
    image_bits = max(image.width, image.height).bit_length()
    residual_shifts = [layer.needs.residual_shift for layer in layers if layer.needs.residual_shift is not None]
    return replace(
        wide,
        acc_width=max(8, *(layer.needs.acc_width for layer in layers)),
        scaled_width=max(wide.output_shift + 2, *(layer.needs.scaled_width for layer in layers)),
        max_scale_shift=max(layer.needs.scale_shift for layer in layers),
        min_residual_shift=min(residual_shifts, default=0),
        max_residual_shift=max(residual_shifts, default=0),
        coordinate_bits=max(4, image_bits, *(layer.coordinate_bits for layer in layers)),
        mixed_bits=any(
            (not layer.classes and layer.maximum != full) or layer.border not in (0, full + 1 >> 1) for layer in layers
        ),
        max_pool=any(isinstance(node, MaxPool) for node in network.nodes),
        constant_depth=len(constants),
    )


def choose_config(network: Network, device: Device) -> EngineConfig:
    """Return an engine for a network on a device: 8 x 8 cells, on an iCE40 without SPRAM 8 x 4.

    Widths come from the network's weights. On an iCE40 the array is one tile and the class is left to the host.

    Raises
    ------
    CompileError
        If the network does not fit the device's memory, with the numbers.
    """
    alphabet = smallest_alphabet(network)
    spram = device.sprams > 0
    ice = device.family is Family.ICE40
    cols = 4 if ice and not spram else 8
    base = EngineConfig(
        rows=8,
        cols=cols,
        activation_bits=8,
        alphabet=alphabet,
        **_WIDEST,
        output_shift=20,
        columns_per_requantizer=2,
        psum_depth=256 if ice else 512,
        constant_depth=1024,
        memory_words=16384 if spram else 1 << 16,
        memory=MemoryKind.SPRAM if spram else MemoryKind.BLOCK,
        tile_rows=8 if ice else 2,
        tile_cols=cols if ice else 2,
        registered_ram=not ice,
        argmax=not ice,
    )
    config = fit_widths(network, base)
    if spram:
        compile_network(network, config)
        return config
    used = compile_network(network, config).memory_words
    # Block RAM comes in powers of two here: half-used blocks cost nothing more.
    words = max(64, 1 << (used - 1).bit_length())
    return replace(config, memory_words=words)

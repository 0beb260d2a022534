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
    """Return the alphabet of the smallest cells that have every weight value of a network.

    A network with S3 and DenseShift layers of 3 bits gets ``s3-4-max8``: the cells of 4-bit codes, less the shifts that
    nobody needs. Integer weights (a rival's) get as many bits as they need.
    """
    values: set[int] = set()
    for node in network.nodes:
        if isinstance(node, Convolution | Logits):
            values |= set(node.weight.ravel().tolist())
    for bits in range(2, 6):
        alphabet = Alphabet.s3(bits)
        if values <= set(alphabet.values):
            largest = max(abs(value) for value in values | {1}).bit_length() - 1
            return alphabet if bits < 4 or largest == alphabet.max_shift else Alphabet.s3(bits, largest)
    if _integer_weights(network):
        return Alphabet.integer(max(_signed_bits(value) for value in values))
    raise CompileError(f"the weight {max(values, key=abs)} is in no alphabet of 2 to 5 bits")


def _integer_weights(network: Network) -> bool:
    return any(isinstance(n, Convolution | Logits) and not n.alphabet.shifts for n in network.nodes)


def _signed_bits(value: int) -> int:
    return max(2, (value if value >= 0 else ~value).bit_length() + 1)


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


def base_config(network: Network, device: Device) -> EngineConfig:
    """Return a small engine for a device that can do whatever the network needs: 8 x 8 cells, without SPRAM 8 x 4.

    On an iCE40 the array is one tile and the class is left to the host. On an ECP5 the program has a memory of its own.
    """
    spram = device.sprams > 0
    ice = device.family is Family.ICE40
    cols = 4 if ice and not spram else 8
    return EngineConfig(
        rows=8,
        cols=cols,
        activation_bits=8,
        alphabet=smallest_alphabet(network),
        **_WIDEST,
        output_shift=20,
        columns_per_requantizer=2,
        psum_depth=256 if ice else 512,
        constant_depth=1024,
        memory_words=16384 if spram else 1 << 16,
        memory=MemoryKind.SPRAM if spram else MemoryKind.BLOCK,
        program_words=0 if ice else 1 << 16,
        tile_rows=8 if ice else 2,
        tile_cols=cols if ice else 2,
        registered_ram=not ice,
        argmax=not ice,
    )


def fit_memory(network: Network, config: EngineConfig, device: Device) -> EngineConfig:
    """Return ``config`` with as much block RAM as the network needs.

    Raises
    ------
    CompileError
        If the network does not fit, with the numbers.
    """
    compiled = compile_network(network, config)
    if config.memory is MemoryKind.SPRAM:
        return config
    # Whole blocks: half-used ones cost nothing more.
    block = 256 if device.family is Family.ICE40 else 512
    words = -(-compiled.memory_words // block) * block
    if not config.program_words:
        return replace(config, memory_words=words)
    return replace(config, memory_words=words, program_words=-(-len(compiled.words) // block) * block)


def choose_config(network: Network, device: Device) -> EngineConfig:
    """Return a small engine for a network on a device (:func:`base_config`), no wider than the network needs.

    Raises
    ------
    CompileError
        If the network does not fit the device's memory, with the numbers.
    """
    return fit_memory(network, fit_widths(network, base_config(network, device)), device)

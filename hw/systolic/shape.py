"""Chooses an engine for one or several networks and a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hw.devices import Device, Family
from hw.graph import Alphabet, Network, Tensor
from hw.graph.ops import Convolution, Logits, MaxPool, Polyphase
from hw.systolic.compiler.compile import CompiledNetwork, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts
from hw.systolic.compiler.layers import layer_plans, lower_node
from hw.systolic.compiler.layout import choose_layouts
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import CompileError, LayerPlan
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
    "step_bits": 12,
    "stride_bits": 4,
    "class_bits": 10,
    "watchdog_bits": 31,
    "circular": True,
    "table": True,
}
MOST_CONSTANTS = 1024
"""Sets of output constants that an engine can have."""

WATCHDOG_BITS = 23
"""Least bits of the watchdog: about 0.1 s."""


def smallest_alphabet(networks: Sequence[Network]) -> Alphabet:
    """Return the alphabet of the smallest cells that have every weight value of the networks.

    Networks with S3 and DenseShift layers of 3 bits get ``s3-4-max8``: the cells of 4-bit codes, less the shifts that
    nobody needs. Integer weights (a rival's) get as many bits as they need.
    """
    values: set[int] = set()
    weighted = [node for network in networks for node in network.nodes if isinstance(node, Convolution | Logits)]
    for node in weighted:
        values |= set(node.weight.ravel().tolist())
    for bits in range(2, 6):
        alphabet = Alphabet.s3(bits)
        if values <= set(alphabet.values):
            largest = max(abs(value) for value in values | {1}).bit_length() - 1
            return alphabet if bits < 4 or largest == alphabet.max_shift else Alphabet.s3(bits, largest)
    if any(not node.alphabet.shifts for node in weighted):
        return Alphabet.integer(max(_signed_bits(value) for value in values))
    known = set(Alphabet.s3(5).values)
    node = next(node for node in weighted if not known.issuperset(node.weight.ravel().tolist()))
    unknown = max(set(node.weight.ravel().tolist()) - known, key=abs)
    raise CompileError(f"layer {node.name!r} has the weight {unknown}, which is in no alphabet of 2 to 5 bits")


def _signed_bits(value: int) -> int:
    return max(2, (value if value >= 0 else ~value).bit_length() + 1)


def layer_problems(network: Network, device: Device) -> dict[str, str]:
    """Return why a device's widest engine cannot do layers of a network, by their names; empty if it can do all.

    What concerns the whole, such as memory, is not looked at.
    """
    try:
        wide = _widest([network], base_config([network], device))
        folded = fold_shifts(network)
        lowering = Lowering(folded, choose_layouts(folded, wide), wide)
    except CompileError:
        return {}
    found: dict[str, str] = {}
    for node in folded.nodes:
        try:
            lower_node(lowering, node)
        except CompileError as error:
            found[node.name] = str(error)
    return found


def _widest(networks: Sequence[Network], config: EngineConfig) -> EngineConfig:
    """Return ``config`` as wide as an engine can be."""
    shifts = [int(n.rescale.s.max()) for network in networks for n in network.nodes if hasattr(n, "rescale")]
    planes = 1 + any(_two_planes(network.tensor(network.input), config) for network in networks)
    return replace(
        config,
        **_WIDEST,
        norm_bits=_norm_bits(networks),
        output_shift=max([0, *shifts]),
        constant_depth=MOST_CONSTANTS,
        image_planes=planes,
    )


def _norm_bits(networks: Sequence[Network]) -> int:
    """Return the most that norms of phases can take, 0 where nothing is sampled."""
    return 32 if any(isinstance(node, Polyphase) for network in networks for node in network.nodes) else 0


def fit_widths(networks: Sequence[Network], config: EngineConfig) -> EngineConfig:
    """Return ``config`` with the least widths, shifts and constant memory that the networks need."""
    images = [network.tensor(network.input) for network in networks]
    wide = _widest(networks, config)
    folded = [fold_shifts(network) for network in networks]
    programs = [layer_plans(network, choose_layouts(network, wide), wide) for network in folded]
    layers = [layer for program in programs for layer in program]
    full = (1 << config.activation_bits) - 1
    constants = max(_constants(program) for program in programs)
    if constants > MOST_CONSTANTS:
        largest = max(layers, key=lambda layer: _constants([layer]))
        raise CompileError(
            f"the network has {constants} sets of output constants, an engine holds at most {MOST_CONSTANTS}; "
            f"layer {largest.node!r} has the most, {_constants([largest])}"
        )
    residual_shifts = [layer.needs.residual_shift for layer in layers if layer.needs.residual_shift is not None]
    return replace(
        wide,
        acc_width=max(8, *(layer.needs.acc_width for layer in layers)),
        scaled_width=max(wide.output_shift + 2, *(layer.needs.scaled_width for layer in layers)),
        max_scale_shift=max(layer.needs.scale_shift for layer in layers),
        min_residual_shift=min(residual_shifts, default=0),
        max_residual_shift=max(residual_shifts, default=0),
        coordinate_bits=max(
            4,
            *(max(image.width, (1 + _two_planes(image, config)) * image.height).bit_length() for image in images),
            *(layer.coordinate_bits for layer in layers),
        ),
        step_bits=max(1, *(layer.largest_step.bit_length() for layer in layers)),
        stride_bits=max(1, *(max(layer.stride_x, layer.stride_y).bit_length() for layer in layers)),
        class_bits=max(1, *(layer.classes.bit_length() for layer in layers)),
        mixed_bits=any(
            (not layer.classes and layer.maximum != full) or layer.border not in (0, full + 1 >> 1) for layer in layers
        ),
        max_pool=any(isinstance(node, MaxPool) for network in networks for node in network.nodes),
        circular=any(layer.view is not None or layer.norm_bits for layer in layers),
        norm_bits=max(layer.norm_bits for layer in layers),
        table=any(layer.table is not None for layer in layers),
        constant_depth=constants,
    )


def _constants(layers: Sequence[LayerPlan]) -> int:
    """Return how many sets of output constants some layers have."""
    return len({tile.constants for layer in layers for tile in layer.tiles})


def _two_planes(image: Tensor, config: EngineConfig) -> bool:
    return config.activation_bits <= 4 and image.bits > config.activation_bits


def _nibbles(network: Network) -> bool:
    """Whether an engine of 4-bit activations can take a network's image, in two planes if it has more bits."""
    image = network.tensor(network.input)
    users = [node for node in network.nodes if network.input in node.inputs]
    planes = image.zero_point != 1 << 4 and all(isinstance(node, Convolution | Logits) for node in users)
    return image.bits <= 4 or planes


def base_config(networks: Sequence[Network], device: Device) -> EngineConfig:
    """Return a small engine for a device that can do whatever the networks need: 8 x 8 cells, without SPRAM 8 x 4.

    If no stored map but the image has more than 4 bits, and only convolutions read that, activations are 4 bits wide,
    and an SPRAM's words, which are as wide as before, feed 16 x 4 cells. On an iCE40 the array is one tile and the
    class is left to the host. On an ECP5 the program has a memory of its own.
    """
    spram = device.sprams > 0
    ice = device.family is Family.ICE40
    bits = max((t.bits for n in networks for t in n.tensors.values() if t.name != n.input), default=8)
    narrow = bits <= 4 and smallest_alphabet(networks).bits <= 4 and all(_nibbles(network) for network in networks)
    rows = 16 if narrow and spram else 8
    cols = 4 if ice and (narrow or not spram) else 8
    return EngineConfig(
        rows=rows,
        cols=cols,
        activation_bits=4 if narrow else 8,
        alphabet=smallest_alphabet(networks),
        **_WIDEST,
        norm_bits=_norm_bits(networks),
        output_shift=20,
        columns_per_requantizer=2,
        psum_depth=256 if ice else 512,
        constant_depth=MOST_CONSTANTS,
        memory_words=16384 if spram else 1 << 16,
        memory=MemoryKind.SPRAM if spram else MemoryKind.BLOCK,
        program_words=0 if ice else 1 << 16,
        tile_rows=rows if ice else 2,
        tile_cols=cols if ice else 2,
        registered_ram=not ice,
        argmax=not ice,
    )


def fit_memory(networks: Sequence[Network], config: EngineConfig, device: Device) -> EngineConfig:
    """Return ``config`` with as much block RAM, and as long a watchdog, as the networks need, one at a time.

    Raises
    ------
    CompileError
        If a network does not fit, with the numbers.
    """
    return fit_and_compile(networks, config, device)[0]


def fit_and_compile(
    networks: Sequence[Network], config: EngineConfig, device: Device
) -> tuple[EngineConfig, list[CompiledNetwork]]:
    """Return what :func:`fit_memory` does, and the networks compiled for it but for the size of its memories.

    Raises
    ------
    CompileError
        If a network does not fit, with the numbers.
    """
    config, compiled = _without_loops(networks, config)
    # Twice the clocks: a host may be slow to take the logits.
    longest = max(c.predicted_cycles for c in compiled)
    config = replace(config, watchdog_bits=max(WATCHDOG_BITS, longest.bit_length() + 1))
    if config.memory is MemoryKind.SPRAM:
        return config, compiled
    # Whole blocks: half-used ones cost nothing more.
    block = 256 if device.family is Family.ICE40 else 512
    words = -(-max(c.memory_words for c in compiled) // block) * block
    if not config.program_words:
        return replace(config, memory_words=words), compiled
    program = -(-max(len(c.words) for c in compiled) // block) * block
    return replace(config, memory_words=words, program_words=program), compiled


def _without_loops(networks: Sequence[Network], config: EngineConfig) -> tuple[EngineConfig, list[CompiledNetwork]]:
    """Return ``config`` without ``strip_loops`` if the networks can do without them, and the networks for it.

    SPRAM is there anyway, so programs with every strip written out may fill it. Block RAM is not spent on that.
    """
    spram = config.memory is MemoryKind.SPRAM
    plain, looping = replace(config, strip_loops=False), replace(config, strip_loops=True)
    if not spram and any(_strips(network, plain) for network in networks):
        return looping, [compile_network(network, looping) for network in networks]
    try:
        compiled = [compile_network(network, plain) for network in networks]
    except CompileError:
        # Or it says what is missing with loops, too.
        pass
    else:
        return plain, compiled
    return looping, [compile_network(network, looping) for network in networks]


def _strips(network: Network, config: EngineConfig) -> bool:
    """Whether a layer of a network runs in several strips."""
    folded = fold_shifts(network)
    return any(layer.looped for layer in layer_plans(folded, choose_layouts(folded, config), config))

"""Maps of a network all over an engine's memory, with gaps between their pixels: larger addresses and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hw.graph import Network
from hw.systolic.compiler.assemble import Assembler
from hw.systolic.compiler.compile import CompiledNetwork, compile_network
from hw.systolic.compiler.fold_shifts import fold_shifts
from hw.systolic.compiler.layers import layer_plans
from hw.systolic.compiler.layout import ImageLayout, Layout, MapLayout, choose_layouts, concatenated
from hw.systolic.compiler.plan import ChannelConstants, CompileError
from hw.systolic.config import EngineConfig
from hw.systolic.cycles import predicted_clocks

LARGEST_STEP = 255
"""Words from a pixel to the next one that an instruction can say."""

TRIES = 200


class ConstantsAgain(Assembler):
    """Writes the constants in the wrong order first, so many ``times``, and then as they must be: the last time counts.

    Programs get longer by it, but not their inferences.
    """

    def __init__(self, config: EngineConfig, times: int) -> None:
        super().__init__(config)
        self.times = times

    def _constants(self, sets: list[tuple[ChannelConstants, ...]]) -> None:
        words = 0
        for _ in range(self.times):
            super()._constants(sets[::-1])
            words += self.constant_words
        super()._constants(sets)
        self.constant_words += words


class LowBits(Assembler):
    """Fills the bits of the addends below what the sums are made of with ones, which changes no result.

    A sum of which any of these bits is larger by 1 is rounded up.
    """

    def _constants(self, sets: list[tuple[ChannelConstants, ...]]) -> None:
        half = 1 << self.config.output_shift - 1
        super()._constants(
            [
                tuple(
                    replace(entry, addend=entry.addend + min(1 << entry.scale_shift, half) - 1) for entry in constants
                )
                for constants in sets
            ]
        )


def compile_with(
    assembler: Callable[[EngineConfig], Assembler], network: Network, config: EngineConfig
) -> CompiledNetwork:
    """Compile a network with maps where the compiler places them; the assembler's program is as long as usual."""
    return _compile(network, compile_network(network, config).layouts, config, assembler)


def compile_scattered(
    network: Network, config: EngineConfig, seed: int, assembler: Callable[[EngineConfig], Assembler] = Assembler
) -> CompiledNetwork:
    """Compile a network as :func:`~hw.systolic.compiler.compile_network` does, but with its maps at random places.

    No two maps share words, and pixels are up to 255 words apart, so that in a small network too every bit of the
    addresses and of the steps between them is used. Parts of concatenations keep their steps.

    Raises
    ------
    CompileError
        If the engine cannot run the network, or no place for its maps was found.
    """
    rng = np.random.default_rng(seed)
    layouts = choose_layouts(network, config)
    parts = concatenated(network, config)
    fixed = {*parts, *(part.whole for part in parts.values())}
    room = config.memory_words // (2 * len(layouts))
    for name, layout in layouts.items():
        if isinstance(layout, MapLayout) and name not in fixed:
            most = room // (layout.tensor.height * layout.tensor.width)
            layouts[name] = replace(
                layout, pixel=int(rng.integers(layout.groups, max(layout.groups, min(LARGEST_STEP, most)) + 1))
            )
    begin = len(_compile(network, layouts, config, assembler).words)
    placed: dict[str, Layout] = {}
    taken: list[tuple[int, int]] = []
    for name in sorted(set(layouts) - set(parts), key=lambda name: -layouts[name].words):
        base = _free(begin, config.memory_words - layouts[name].words, layouts[name].words, taken, rng)
        taken.append((base, base + layouts[name].words))
        placed[name] = replace(layouts[name], base=base)
    for name, part in parts.items():
        placed[name] = replace(layouts[name], base=placed[part.whole].base + part.group)
    compiled = _compile(network, placed, config, assembler)
    if compiled.predicted_cycles >= 1 << config.watchdog_bits:
        raise CompileError(f"an inference takes {compiled.predicted_cycles} clocks, too many for the watchdog")
    return compiled


def compile_interleaved(network: Network, config: EngineConfig) -> CompiledNetwork:
    """Compile a network with its maps' words in turn, from pixel to pixel as far as memory reaches.

    So even the second half of a map lies in the second half of memory.
    """
    layouts = choose_layouts(network, config)
    image = layouts[network.input]
    maps = {name: layout for name, layout in layouts.items() if isinstance(layout, MapLayout)}
    begin = len(_compile(network, layouts, config, Assembler).words)
    layouts[network.input] = replace(image, base=begin)
    begin += image.words
    step = (config.memory_words - begin) // max(layout.tensor.height * layout.tensor.width for layout in maps.values())
    # An odd one, so that every bit of an address changes.
    step = min(step - (step % 2 == 0), LARGEST_STEP)
    if sum(layout.groups for layout in maps.values()) > step:
        raise CompileError(f"{step} words from pixel to pixel are not enough for {len(maps)} maps")
    for name, layout in maps.items():
        layouts[name] = replace(layout, base=begin, pixel=step)
        begin += layout.groups
    return _compile(network, layouts, config, Assembler)


def _free(low: int, high: int, words: int, taken: list[tuple[int, int]], rng: np.random.Generator) -> int:
    for _ in range(TRIES if low <= high else 0):
        base = int(rng.integers(low, high + 1))
        if all(base + words <= begin or base >= end for begin, end in taken):
            return base
    raise CompileError(f"no place for a map of {words} words was found")


def _compile(
    network: Network, layouts: dict[str, Layout], config: EngineConfig, assembler: Callable[[EngineConfig], Assembler]
) -> CompiledNetwork:
    layers = layer_plans(fold_shifts(network), layouts, config)
    image = layouts[network.input]
    assert isinstance(image, ImageLayout)
    program = assembler(config).program(image, layers)
    cycles, clocks = predicted_clocks(layers, config)
    return CompiledNetwork(network, config, program, layouts, layers, cycles, clocks)

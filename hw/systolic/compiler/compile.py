"""From a network to the contents of an engine's memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hw.graph import Concatenation, Network
from hw.systolic.compiler.assemble import Assembler, Program
from hw.systolic.compiler.fold_shifts import fold_shifts, views
from hw.systolic.compiler.layers import layer_plans
from hw.systolic.compiler.layout import ImageLayout, Layout, MapLayout, choose_layouts
from hw.systolic.compiler.memory_plan import StoredMap, fullest_layer, memory_plan
from hw.systolic.compiler.place import place
from hw.systolic.compiler.plan import CapacityError, CompileError, LayerPlan
from hw.systolic.config import EngineConfig
from hw.systolic.cycles import LayerClocks, predicted_clocks
from hw.systolic.program import lanes

Write = tuple[int, int, int]
"""A traced write: word address, lane mask, word."""


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """A network for one engine.

    Attributes
    ----------
    words : list of int
        Contents of main memory from address 0: the program with constants and weights.
    layouts : dict
        Where every map lies.
    layers : list of LayerPlan
        What the program does.
    predicted_cycles : int
        Clocks of an inference, exactly; ``layer_clocks`` has every layer's.
    """

    network: Network
    config: EngineConfig
    program: Program
    layouts: dict[str, Layout]
    layers: list[LayerPlan]
    predicted_cycles: int
    layer_clocks: list[LayerClocks]

    @property
    def words(self) -> list[int]:
        """Contents of main memory from address 0."""
        return self.program.words

    @property
    def stored(self) -> list[str]:
        """Names of the tensors that the engine stores, the image included; shifts are addresses only."""
        return [name for name in self.network.tensors if name not in views(self.network)]

    def pack_program(self) -> bytes:
        """Return the program in the order of the image stream while the engine is stopped: lane by lane."""
        return lanes(self.words, self.config)

    def pack_image(self, image: np.ndarray) -> bytes:
        """Return an image (channels, height, width) in the order of the image stream, an activation a byte."""
        layout = self.layouts[self.network.input]
        assert isinstance(layout, ImageLayout)
        return layout.pack(image)

    @property
    def memory_words(self) -> int:
        """Words of main memory in use, maps included (and the program, where it lies there too)."""
        program = 0 if self.config.program_words else len(self.words)
        return max([program, *(layout.base + layout.words for layout in self.layouts.values())])

    @property
    def maps(self) -> tuple[StoredMap, ...]:
        """Words and lives of the stored maps."""
        return memory_plan(fold_shifts(self.network), self.layouts, self.config)

    @property
    def fullest(self) -> tuple[str, int]:
        """The layer at which the maps that are alive take the most words, and these words."""
        return fullest_layer(fold_shifts(self.network), self.layouts, self.config)

    @property
    def busy(self) -> float:
        """Share of the cells' clocks that do a multiply-accumulate of the network (zeros and borders included)."""
        macs = sum(layer.macs for layer in self.layers)
        return macs / (self.config.rows * self.config.cols * self.predicted_cycles)

    def stored_tensors(self, writes: Iterable[Write]) -> dict[str, np.ndarray]:
        """Return every stored map, uint8 (channels, height, width), from the writes of one inference.

        Maps share memory, so the writes are replayed layer by layer.

        Raises
        ------
        ValueError
            If the number of writes is not the one the program makes, or a word is not in the memory.
        """
        writes = list(writes)
        rows, bits = self.config.rows, self.config.activation_bits
        memory = np.zeros((self.config.memory_words, rows), np.int64)
        image = self.layouts[self.network.input]
        expected = image.words + sum(layer.writes for layer in self.layers)
        if len(writes) != expected:
            raise ValueError(f"{len(writes)} words were written, the program writes {expected}")
        at = image.words
        outputs = {node.name: node.output for node in self.network.nodes}
        tensors: dict[str, np.ndarray] = {}
        # Some operations are two layers.
        ends = {layer.node: i for i, layer in enumerate(self.layers)}
        for i, layer in enumerate(self.layers):
            for address, mask, word in writes[at : at + layer.writes]:
                if address >= len(memory):
                    raise ValueError(f"word {address} was written, the memory has {len(memory)}")
                for lane in range(rows):
                    if mask >> lane & 1:
                        memory[address, lane] = word >> lane * bits & (1 << bits) - 1
            at += layer.writes
            if ends[layer.node] != i:
                continue
            layout = self.layouts.get(outputs[layer.node])
            if layout is not None and not isinstance(layout, ImageLayout):
                tensors[outputs[layer.node]] = layout.unpack(memory)
            for node in self.network.nodes:
                if isinstance(node, Concatenation) and node.output not in tensors and tensors.keys() >= {*node.inputs}:
                    whole = self.layouts[node.output]
                    assert isinstance(whole, MapLayout)
                    tensors[node.output] = whole.unpack(memory)
        return tensors


def compile_network(network: Network, config: EngineConfig) -> CompiledNetwork:
    """Compile a network for an engine.

    Raises
    ------
    CompileError
        If the network needs something that the engine does not have: the message names the layer, what it
        needs and what there is.
    """
    folded = fold_shifts(network)
    layouts = choose_layouts(folded, config)
    encoded: dict[bytes, list[int]] = {}
    begin = 0
    if not config.program_words:
        # The program's length does not depend on addresses: assemble once to know where the maps begin.
        begin = len(_assemble(folded, layouts, config, encoded)[0].words)
    layouts, end = place(folded, layouts, begin, config)
    if end > config.memory_words:
        needs = f"the maps need {end} memory words"
        if not config.program_words:
            needs = f"the network needs {end} memory words ({begin} of program and weights, {end - begin} of maps)"
        layer, words = fullest_layer(folded, layouts, config)
        raise CapacityError(
            f"{needs}, the engine has {config.memory_words}; most maps are alive at layer {layer!r}, with "
            f"{words} words",
            end / config.memory_words,
        )
    program, layers, _ = _assemble(folded, layouts, config, encoded)
    if config.program_words and len(program.words) > config.program_words:
        raise CapacityError(
            f"the program needs {len(program.words)} words, the program memory has {config.program_words}; "
            f"{_heaviest(layers, config)}",
            len(program.words) / config.program_words,
        )
    cycles, clocks = predicted_clocks(layers, config)
    if cycles >= 1 << config.watchdog_bits:
        raise CompileError(
            f"an inference takes {cycles} clocks, the engine's watchdog stops it after {1 << config.watchdog_bits}"
        )
    return CompiledNetwork(network, config, program, layouts, layers, cycles, clocks)


def _heaviest(layers: list[LayerPlan], config: EngineConfig) -> str:
    """Return the layer with the most words of weights, and their number."""
    words: dict[str, int] = {}
    for layer in layers:
        passes = sum(step.weights is not None for tile in layer.tiles for step in tile.passes)
        words[layer.node] = words.get(layer.node, 0) + passes * config.weight_words
    most = max(words, key=lambda node: words[node])
    return f"layer {most!r} has the most weights, {words[most]} words"


def _assemble(
    network: Network, layouts: dict[str, Layout], config: EngineConfig, encoded: dict[bytes, list[int]]
) -> tuple[Program, list[LayerPlan], Layout]:
    layers = layer_plans(network, layouts, config)
    image = layouts[network.input]
    assert isinstance(image, ImageLayout)
    try:
        return Assembler(config, encoded).program(image, layers), layers, image
    except ValueError as error:
        if isinstance(error, CompileError):
            raise
        raise CompileError(f"the network is too large for a program: {error}") from error

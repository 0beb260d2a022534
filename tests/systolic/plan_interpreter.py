"""Runs a compiled network's plan on words of memory, in numpy: what its instructions mean, without gates and clocks.

Thousands of networks in the time in which one is simulated, so it finds what a compiler does wrong with addresses and
places. The plan's instructions are those of :mod:`hw.systolic.program`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.graph import Network
from hw.systolic.compiler.compile import CompiledNetwork
from hw.systolic.compiler.layout import ImageLayout
from hw.systolic.compiler.plan import LayerPlan, PassPlan, TilePlan
from hw.systolic.processing_element import borrow
from hw.systolic.program import ResidualMode

Numbers = NDArray[np.int64]


class PlanInterpreter:
    """One image's way through an engine's memory.

    Parameters
    ----------
    compiled : CompiledNetwork
        What runs.
    eager : bool
        The result of a pixel is stored before the last operand of the next one is read; otherwise after all operands of
        its tile. Gates are between the two.
    """

    def __init__(self, compiled: CompiledNetwork, *, eager: bool) -> None:
        self.compiled = compiled
        self.config = compiled.config
        self.eager = eager
        # What the words held before must not matter.
        words = self.config.memory_words
        self.memory: Numbers = np.random.default_rng(words).integers(
            0, 1 << self.config.activation_bits, (words, self.config.rows)
        )
        self.writes: list[tuple[int, int, int]] = []
        self.phase = 0
        self.held: Numbers | None = None

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return every stored tensor of an image (channels, height, width), and the logits, by their names."""
        network = self.compiled.network
        layout = self.compiled.layouts[network.input]
        assert isinstance(layout, ImageLayout)
        self._load(layout, image.astype(np.int64))
        self.writes = [(0, 0, 0)] * layout.words
        logits: list[int] = []
        for layer in self.compiled.layers:
            logits = self._layer(layer)
        stored = self.compiled.stored_tensors(self.writes)
        return {**stored, network.logits.name: np.array(logits)[: network.classes]}

    def _load(self, layout: ImageLayout, image: Numbers) -> None:
        channels, height, width = image.shape
        low = layout.low_bits
        planes = [image] if layout.planes == 1 else [image >> low, image & ((1 << low) - 1)]
        for y in range(height):
            for p, plane in enumerate(planes):
                for i in range(layout.words_per_row):
                    word = self.memory[layout.base + y * layout.row + p * layout.words_per_row + i]
                    for k in range(layout.window):
                        x = i * layout.step - layout.pad_left + k
                        first = layout.first_lane + k * channels
                        inside = 0 <= x < width
                        word[first : first + channels] = plane[:, y, x] if inside else (layout.border if p == 0 else 0)

    def _layer(self, layer: LayerPlan) -> list[int]:
        view = layer.view
        offset = 0
        if view is not None:
            offset = (view.x_phase if self.phase & 2 else 0) + (view.y_phase if self.phase & 1 else 0)
        several = any(len(tile.passes) > 1 for tile in layer.tiles)
        assert layer.pixels <= self.config.psum_depth or not several, layer.node
        norms = [0, 0, 0, 0]
        logits: list[int] = []
        self.held = None
        for strip in range(layer.strips):
            for tile in layer.strip_tiles(strip):
                results = self._tile(layer, tile, offset)
                logits += results[0, : self.config.columns_per_requantizer].tolist() if layer.classes else []
                for pixel, result in enumerate(results if layer.measures else ()):
                    row, column = divmod(pixel, layer.cols)
                    norms[(row & 1) + 2 * (column & 1)] += int(result.sum())
        if layer.measures:
            self.phase = norms.index(max(norms))
        return logits

    def _tile(self, layer: LayerPlan, tile: TilePlan, offset: int) -> Numbers:
        *passes, last = tile.passes
        sums = np.zeros((layer.pixels, self.config.cols), np.int64)
        for step in passes:
            sums = self._pass(layer, step, self._operands(layer, step, offset), sums)
        pixels = [slice(i, i + 1) for i in range(layer.pixels)] if self.eager else [slice(0, layer.pixels)]
        addresses, outside = self._operands(layer, last, offset)
        results = np.zeros_like(sums)
        held = self.held
        for part in pixels:
            self.held = held
            total = self._pass(layer, last, (addresses[part], outside[part]), sums[part])
            results[part] = self._store(layer, tile, total, np.arange(layer.pixels)[part])
        return results

    def _operands(self, layer: LayerPlan, step: PassPlan, offset: int) -> tuple[Numbers, NDArray[np.bool_]]:
        """Return the operands' addresses in a pass's order, and which are outside of the map."""
        view = layer.view
        addresses, outside = [], []
        row_address, y = step.address + offset, step.y
        for _ in range(layer.rows):
            address, x = row_address, step.x
            for _ in range(layer.cols):
                addresses.append(address)
                outside.append(view is None and not (0 <= x < layer.width and 0 <= y < layer.height))
                if view is not None and x >= layer.width:
                    address, x = address + view.x_wrap, x - layer.width
                else:
                    address, x = address + layer.x_step, x + layer.stride_x
            if view is not None and y >= layer.height:
                row_address, y = row_address + view.y_wrap, y - layer.height
            else:
                row_address, y = row_address + layer.y_step, y + layer.stride_y
        return np.array(addresses), np.array(outside)

    def _pass(
        self, layer: LayerPlan, step: PassPlan, operands: tuple[Numbers, NDArray[np.bool_]], sums: Numbers
    ) -> Numbers:
        """Return the sums with those of a pass."""
        addresses, outside = operands
        self.held = self.held if step.weights is None else step.weights
        assert self.held is not None
        # The rows' borrows, which the output's addend gives back.
        apart = self.config.signs_apart
        missing = borrow(self.config.alphabet, self.held[::2], self.held[1::2], apart=apart).sum(axis=0)
        lanes = self.memory[np.where(outside, 0, addresses)]
        # Gates know no lowest bit of the border.
        lanes = np.where(outside[:, None], 0 if step.low else layer.border & ~1, lanes)
        before = sums << self.config.activation_bits if step.shift_sums else sums
        return np.asarray(before + lanes @ self.held - missing, np.int64)

    def _store(self, layer: LayerPlan, tile: TilePlan, sums: Numbers, pixels: Numbers) -> Numbers:
        """Store what the output formula makes of pixels' sums and return it, logits without storing."""
        config = self.config
        lanes = slice(tile.lane_set * config.cols, (tile.lane_set + 1) * config.cols)
        total = np.empty_like(sums)
        for column, constants in enumerate(tile.constants):
            factor = 1
            if constants.two_terms:
                factor = (1 << constants.shift + 1) + (-1 if constants.subtract else 1)
            total[:, column] = (sums[:, column] * factor << constants.scale_shift) + constants.addend
        residual = self.memory[tile.residual + pixels * tile.residual_step, lanes]
        if layer.residual is ResidualMode.ADD:
            total += residual << layer.residual_shift
        if layer.classes:
            return total
        results = np.clip(total >> config.output_shift, 0, layer.maximum)
        if layer.residual is ResidualMode.MAXIMUM:
            results = np.maximum(results, residual)
        if layer.table is not None:
            share = config.columns_per_requantizer
            results[:, :share] = layer.table[results[:, :share]]
        addresses = tile.output + pixels * tile.output_step
        self.memory[addresses, lanes] = results
        mask, bits = ((1 << config.cols) - 1) << lanes.start, config.activation_bits
        for address, result in zip(addresses.tolist(), results.tolist(), strict=True):
            word = sum(value << (lanes.start + i) * bits for i, value in enumerate(result))
            self.writes.append((address, mask, word))
        return results


def check_plan(network: Network, compiled: CompiledNetwork, images: np.ndarray) -> None:
    """Compare every stored number and logit of images with the integer network's, in both orders of storing."""
    want = network.run(images)
    for i, image in enumerate(images):
        for eager in (False, True):
            for name, found in PlanInterpreter(compiled, eager=eager).run(image).items():
                assert np.array_equal(found, want[name][i]), (name, i, eager)

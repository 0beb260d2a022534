"""From layer plans to memory words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.systolic.compiler.layout import ImageLayout
from hw.systolic.compiler.plan import ChannelConstants, CompileError, LayerPlan, PassPlan, TilePlan
from hw.systolic.config import EngineConfig
from hw.systolic.processing_element import cell_codes
from hw.systolic.program import (
    TWO_PLANES,
    VERSION,
    Opcode,
    alphabet_number,
    closing_word,
    code_number,
    constant_layout,
    constant_words,
    encode,
    factor_layout,
    instruction_words,
    split,
)


@dataclass(frozen=True)
class Program:
    """A program's memory words, from address 0, and where the parts lie."""

    words: list[int]
    constants: int
    weights: int
    instructions: int


class Assembler:
    """Writes instructions, constants and weights one behind another.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    encoded : dict or None
        Words of weight tiles by the tiles' bytes: what another assembler of this engine has found is used again.
    """

    def __init__(self, config: EngineConfig, encoded: dict[bytes, list[int]] | None = None) -> None:
        self.config = config
        self.encoded = {} if encoded is None else encoded
        self.words: list[int] = []
        self.weight_words = 0
        self.constant_words = 0

    def program(self, image: ImageLayout, layers: list[LayerPlan]) -> Program:
        """Return the program that takes an image and runs the layers, for ever."""
        config = self.config
        self.words += self._header(0)
        tiles = [tile for layer in layers for tile in layer.tiles]
        unique = _unique_constants(tiles)
        if len(unique) > config.constant_depth:
            raise CompileError(
                f"the network has {len(unique)} sets of output constants, the engine holds {config.constant_depth}"
            )
        self._constants(list(unique))
        self._table(layers)
        start = len(self.words)
        self._emit(
            Opcode.INPUT,
            address=image.base,
            width=image.tensor.width,
            height=image.planes * image.tensor.height,
            pad_left=image.pad_left,
            pad_right=image.pad_right,
            channels=image.tensor.channels - 1,
            window=image.window,
            step=image.step,
            zero_point=image.border.bit_length() | (TWO_PLANES if image.planes == 2 else 0),
        )
        self._encode(tiles)
        for layer in layers:
            self._layer(layer, unique)
        self._emit(Opcode.END, target=start)
        self.words[: instruction_words(config)] = self._header(len(self.words) + 1)
        self.words.append(closing_word(self.words, config))
        return Program(
            self.words,
            self.constant_words,
            self.weight_words,
            len(self.words) - self.constant_words - self.weight_words,
        )

    def _header(self, words: int) -> list[int]:
        config = self.config
        return encode(
            Opcode.HEADER,
            config,
            version=VERSION,
            rows=config.rows,
            cols=config.cols,
            activation_bits=config.activation_bits,
            code_bits=code_number(config),
            alphabet=alphabet_number(config.alphabet),
            words=words,
        )

    def _emit(self, opcode: Opcode, **fields: int) -> None:
        self.words += encode(opcode, self.config, **fields)

    def _constants(self, sets: list[tuple[ChannelConstants, ...]]) -> None:
        """Requantiser fastest, then the columns it serves in turn, then the tile."""
        config = self.config
        share = config.columns_per_requantizer
        entries = [
            constants[unit * share + phase]
            for constants in sets
            for phase in range(share)
            for unit in range(config.requantizers)
        ]
        self._emit(Opcode.CONSTANTS, count=len(entries), table=0)
        before = len(self.words)
        for entry in entries:
            self.words += _constant(entry, config)
        self.constant_words = len(self.words) - before

    def _table(self, layers: list[LayerPlan]) -> None:
        """Every entry in the place of a constant; all layers with a table have the same."""
        tables = [layer.table for layer in layers if layer.table is not None]
        if not tables:
            return
        self._emit(Opcode.CONSTANTS, count=len(tables[0]), table=1)
        size = constant_words(self.config)
        for entry in tables[0].tolist():
            self.words += split(entry, size * self.config.word_bits, self.config.word_bits)
        self.constant_words += size * len(tables[0])

    def _encode(self, tiles: list[TilePlan]) -> None:
        """Make the words of all weight tiles that are not there yet, in one go."""
        steps = [step.weights for tile in tiles for step in tile.passes if step.weights is not None]
        new = {key: weights for weights in steps if (key := weights.tobytes()) not in self.encoded}
        if new:
            words = weight_words(np.concatenate(list(new.values()), axis=1), self.config)
            count = self.config.weight_words
            self.encoded.update((key, words[i * count : (i + 1) * count]) for i, key in enumerate(new))

    def _layer(self, layer: LayerPlan, unique: dict[tuple[ChannelConstants, ...], int]) -> None:
        self._emit(
            Opcode.OPERAND,
            cols=layer.cols,
            rows=layer.rows,
            x_step=layer.x_step,
            row_step=(layer.y_step if self.config.circular else layer.row_step) & 0xFFFF,
            stride_x=layer.stride_x,
            stride_y=layer.stride_y,
        )
        self._emit(
            Opcode.RESULT,
            width=layer.width,
            height=layer.height,
            border=layer.border,
            maximum=layer.maximum,
            residual=int(layer.residual),
            residual_shift=max(0, layer.residual_shift - self.config.min_residual_shift),
            classes=layer.classes,
            measured=layer.measures is not None,
            table=layer.table is not None,
        )
        if layer.view is not None:
            view = layer.view
            self._emit(
                Opcode.VIEW,
                x_wrap=view.x_wrap & 0xFFFF,
                y_wrap=view.y_wrap & 0xFFFF,
                x_phase=view.x_phase,
                y_phase=view.y_phase,
            )
        begin = len(self.words)
        loops = self.config.strip_loops and layer.looped
        for strip in range(1 if loops else layer.strips):
            self._strip(layer.strip_tiles(strip), unique)
        if loops:
            self._emit(Opcode.STRIP, **layer.strip_steps)
            self._emit(Opcode.LOOP, target=begin, count=layer.strips - 1)

    def _strip(self, tiles: Sequence[TilePlan], unique: dict[tuple[ChannelConstants, ...], int]) -> None:
        for tile in tiles:
            for i, step in enumerate(tile.passes):
                last = i == len(tile.passes) - 1
                if last:
                    self._emit(
                        Opcode.TILE,
                        output=tile.output,
                        output_step=tile.output_step,
                        residual=tile.residual,
                        residual_step=tile.residual_step,
                        constants=unique[tile.constants],
                        lane_set=tile.lane_set,
                    )
                self._pass(step, first=i == 0, last=last)

    def _pass(self, step: PassPlan, *, first: bool, last: bool) -> None:
        self._emit(
            Opcode.PASS,
            address=step.address & 0xFFFF,
            x=step.x,
            y=step.y,
            first=first,
            last=last,
            weights=step.weights is not None,
            low=step.low,
            shift_sums=step.shift_sums,
        )
        if step.weights is not None:
            words = self.encoded[step.weights.tobytes()]
            self.words += words
            self.weight_words += len(words)


def weight_words(weights: np.ndarray, config: EngineConfig) -> list[int]:
    """Return the words of weight tiles (rows, n * cols) beside one another, ``weight_words`` a tile.

    Lane ``r`` of word ``n`` has the :func:`cell_codes` of row ``r`` and the columns from ``n * lane_codes`` on.
    """
    codes = cell_codes(config.alphabet, np.asarray(weights, np.int32), apart=config.signs_apart)
    places = config.code_pitch * np.arange(config.lane_codes, dtype=np.uint8)
    lanes = (codes.reshape(config.rows, -1, config.lane_codes) << places).sum(axis=2, dtype=np.uint8).T
    bits = (lanes[:, :, None] >> np.arange(config.activation_bits, dtype=np.uint8)) & 1
    packed = np.packbits(bits.reshape(len(lanes), -1), axis=1, bitorder="little")
    return [int.from_bytes(word.tobytes(), "little") for word in packed]


def _unique_constants(tiles: list[TilePlan]) -> dict[tuple[ChannelConstants, ...], int]:
    unique: dict[tuple[ChannelConstants, ...], int] = {}
    for tile in tiles:
        unique.setdefault(tile.constants, len(unique))
    return unique


def _constant(entry: ChannelConstants, config: EngineConfig) -> list[int]:
    layout, factor = constant_layout(config), factor_layout(config)
    bits = 0
    for name, value in (
        ("two_terms", int(entry.two_terms)),
        ("subtract", int(entry.subtract)),
        ("shift", entry.shift),
    ):
        bits |= value << factor[name].offset
    word = (entry.addend & (1 << config.scaled_width) - 1) << layout["addend"].offset
    word |= entry.scale_shift << layout["scale_shift"].offset
    word |= bits << layout["factor"].offset
    return split(word, constant_words(config) * config.word_bits, config.word_bits)

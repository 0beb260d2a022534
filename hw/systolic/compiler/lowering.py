"""From the operations of the integer network to layer plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hw.graph import Network, Rescale, Tensor
from hw.graph.ops import Add, AveragePool, Concatenation, Convolution, Logits, MaxPool
from hw.systolic.compiler import tiling
from hw.systolic.compiler.constants import ColumnSums, OutputFormula, logit_formula, output_formula
from hw.systolic.compiler.layout import ImageLayout, Layout, MapLayout
from hw.systolic.compiler.plan import ChannelConstants, CompileError, LayerPlan, PassPlan, TilePlan
from hw.systolic.config import EngineConfig
from hw.systolic.program import MOST_WORDS, ResidualMode, instruction_words

Columns = list[int | None]


@dataclass(frozen=True)
class Lowering:
    """Turns nodes into layer plans for one engine and one placement of the maps."""

    network: Network
    layouts: dict[str, Layout]
    config: EngineConfig

    def layers(self) -> list[LayerPlan]:
        """Return the layer plans of the whole network, in order."""
        self._check_size()
        plans: list[LayerPlan] = []
        for node in self.network.nodes:
            match node:
                case Convolution():
                    plans.append(self._convolution(node))
                case MaxPool():
                    plans.extend(self._max_pool(node))
                case AveragePool():
                    plans.append(self._average_pool(node))
                case Add():
                    plans.append(self._add(node))
                case Concatenation():
                    # Its parts are stored where it lies.
                    pass
                case Logits():
                    plans.append(self._logits(node))
                case _:
                    raise CompileError(f"layer {node.name!r}: the engine has no {type(node).__name__}")
        for plan in plans:
            self._check_plan(plan)
        self._check_image()
        return [_without_reloads(plan) for plan in plans]

    def _check_size(self) -> None:
        """Refuse at once what would take minutes to find too large: a pass of an array of weights is an instruction."""
        config = self.config
        weights = sum(node.weight.size for node in self.network.nodes if isinstance(node, Convolution | Logits))
        least = -(-weights // (config.rows * config.cols)) * instruction_words(config)
        if least > MOST_WORDS:
            raise CompileError(
                f"the network is too large for a program: {weights} weights take {least} words of instructions at "
                f"least, a program has {MOST_WORDS} at most"
            )

    def _check_image(self) -> None:
        image = self.layouts[self.network.input]
        assert isinstance(image, ImageLayout)
        width, rows = image.tensor.width, image.planes * image.tensor.height
        if max(width, rows).bit_length() > self.config.coordinate_bits:
            raise CompileError(
                f"the image has {rows} rows of {width} pixels, the engine counts them in "
                f"{self.config.coordinate_bits} bits"
            )

    def _check_plan(self, plan: LayerPlan) -> None:
        config = self.config
        if plan.coordinate_bits > config.coordinate_bits:
            raise CompileError(
                f"layer {plan.node!r} needs coordinates of {plan.coordinate_bits} bits, "
                f"the engine has {config.coordinate_bits}"
            )
        full = (1 << config.activation_bits) - 1
        if not config.mixed_bits and (
            (not plan.classes and plan.maximum != full) or plan.border not in (0, full + 1 >> 1)
        ):
            raise CompileError(
                f"layer {plan.node!r} has activations of fewer than {config.activation_bits} bits; "
                f"the engine was built for {config.activation_bits} bits only"
            )

    # -- one method an operation ------------------------------------------------------------------

    def _convolution(self, node: Convolution) -> LayerPlan:
        if node.circular:
            raise CompileError(f"layer {node.name!r} pads circularly; the engine pads with the zero point")
        weight = tiling.dense_weight(node.weight, node.groups)
        tiling.check_alphabet(node.name, weight, self.config.alphabet)
        tiles = [
            (
                columns,
                tiling.window_passes(
                    weight, columns, self.layouts[node.input], (node.padding.top, node.padding.left), self.config
                ),
            )
            for columns in tiling.channel_tiles(weight.shape[0], self.config)
        ]
        macs = (
            int(np.prod(node.weight.shape)) * self._map(node.output).tensor.height * self._map(node.output).tensor.width
        )
        return self._layer(node.name, node.input, node.output, tiles, node.rescale, node.stride, node.residual, macs)

    def _add(self, node: Add) -> LayerPlan:
        tiles = [
            (columns, [self._tap(columns, node.input, 0, 0)])
            for columns in tiling.channel_tiles(self._map(node.output).tensor.channels, self.config)
        ]
        return self._layer(node.name, node.input, node.output, tiles, node.rescale, (1, 1), node.residual, 0)

    def _average_pool(self, node: AveragePool) -> LayerPlan:
        output = self._map(node.output).tensor
        kh, kw = node.kernel
        taps = [(dy - node.padding.top, dx - node.padding.left) for dy in range(kh) for dx in range(kw)]
        whole_map = output.height == output.width == 1 and isinstance(self.layouts[node.input], MapLayout)
        if whole_map and self._one_constant(node.rescale):
            return self._global_pool(node, taps)
        tiles = [
            (columns, [self._tap(columns, node.input, y, x) for y, x in taps])
            for columns in tiling.channel_tiles(output.channels, self.config)
        ]
        return self._layer(node.name, node.input, node.output, tiles, node.rescale, node.stride, None, 0)

    def _global_pool(self, node: AveragePool, taps: list[tuple[int, int]]) -> LayerPlan:
        """All channel groups of a pixel are the "pixels" of a pass: one weight tile for everything."""
        output = self._map(node.output)
        columns: Columns = list(range(self.config.cols))
        passes = [self._tap(columns, node.input, y, x) for y, x in taps]
        plan = self._layer(node.name, node.input, node.output, [(columns, passes)], node.rescale, (0, 0), None, 0)
        tile = replace(plan.tiles[0], output_step=1)
        return replace(plan, cols=output.groups, rows=1, x_step=1, y_step=0, tiles=(tile,))

    def _max_pool(self, node: MaxPool) -> list[LayerPlan]:
        if not self.config.max_pool:
            raise CompileError(f"layer {node.name!r} is a max pool; the engine was built without")
        output = self._map(node.output).tensor
        kh, kw = node.kernel
        taps = [(dy - node.padding.top, dx - node.padding.left) for dy in range(kh) for dx in range(kw)]
        rescale = Rescale.identity(output.channels)
        # The array passes the stored number on as it is: zero points must not be taken off and put back.
        tensors = [replace(self.network.tensor(name), zero_point=0) for name in (node.input, node.output)]
        plans = []
        for part, mode in ((taps[:1], ResidualMode.NONE), (taps[1:], ResidualMode.MAXIMUM)):
            tiles = [
                (columns, [self._tap(columns, node.input, y, x)])
                for columns in tiling.channel_tiles(output.channels, self.config)
                for y, x in part
            ]
            if tiles:
                plan = self._layer(
                    node.name, node.input, node.output, tiles, rescale, node.stride, None, 0, tensors=tensors
                )
                plan = replace(plan, border=0, residual=mode)
                if mode is ResidualMode.MAXIMUM:
                    plan = replace(
                        plan,
                        tiles=tuple(replace(t, residual=t.output, residual_step=t.output_step) for t in plan.tiles),
                        strip_steps={**plan.strip_steps, "residual_step": plan.strip_steps["output_step"]},
                    )
                plans.append(plan)
        return plans

    def _logits(self, node: Logits) -> LayerPlan:
        config = self.config
        weight = np.asarray(node.weight, np.int64)
        tiling.check_alphabet(node.name, weight, config.alphabet)
        source = self.layouts[node.input]
        tiles = [
            (columns, tiling.window_passes(weight, columns, source, (0, 0), config))
            for columns in tiling.logit_tiles(weight.shape[0], config)
        ]
        sums = tiling.join_sums(tiling.column_sums(passes, columns, config.alphabet) for columns, passes in tiles)
        formula = logit_formula(np.asarray(node.bias, np.int64), sums, source.tensor)
        self._check_formula(node.name, formula)
        return LayerPlan(
            node=node.name,
            **self._geometry(source, (1, 1), 1, 1),
            maximum=0,
            classes=weight.shape[0],
            tiles=tuple(
                TilePlan(tuple(passes), self._constants(columns, formula), output=0, output_step=0)
                for columns, passes in tiles
            ),
            macs=int(weight.size),
            needs=formula.needs,
        )

    # -- what they share ----------------------------------------------------------------------------

    def _layer(
        self,
        name: str,
        source_name: str,
        output_name: str,
        tiles: list[tuple[Columns, list[PassPlan]]],
        rescale: Rescale,
        stride: tuple[int, int],
        residual_name: str | None,
        macs: int,
        tensors: list[Tensor] | None = None,
    ) -> LayerPlan:
        config = self.config
        source, output = self.layouts[source_name], self._map(output_name)
        source_tensor, output_tensor = tensors or (source.tensor, output.tensor)
        residual = self.layouts[residual_name] if residual_name is not None else None
        if isinstance(residual, ImageLayout):
            raise CompileError(f"layer {name!r} adds the image itself; the engine adds stored maps only")
        sums = tiling.join_sums(tiling.column_sums(passes, columns, config.alphabet) for columns, passes in tiles)
        sums = _spread(sums, output_tensor.channels)
        formula = output_formula(
            name,
            rescale,
            sums,
            source_tensor,
            output_tensor,
            residual.tensor if residual is not None else None,
            config.output_shift,
        )
        self._check_formula(name, formula)
        height, width = output.tensor.height, output.tensor.width
        summed = any(len(passes) > 1 for _, passes in tiles)
        rows = tiling.strip_rows(name, height, width, config) if summed else height
        plan_tiles = []
        for columns, passes in tiles:
            channel = next(c for c in columns if c is not None)
            group, lane = divmod(channel, config.rows)
            plan_tiles.append(
                TilePlan(
                    tuple(passes),
                    self._constants(columns, formula),
                    output=output.base + group,
                    output_step=output.pixel,
                    residual=residual.base + group if residual is not None else 0,
                    residual_step=residual.pixel if residual is not None else 0,
                    lane_set=lane // config.cols,
                )
            )
        geometry = self._geometry(source, stride, width, rows)
        return LayerPlan(
            node=name,
            **geometry,
            maximum=output.tensor.maximum,
            tiles=tuple(plan_tiles),
            residual=ResidualMode.ADD if residual is not None else ResidualMode.NONE,
            residual_shift=formula.needs.residual_shift or 0,
            needs=formula.needs,
            strips=height // rows,
            strip_steps={
                "input_step": rows * geometry["y_step"],
                "y_step": rows * stride[0],
                "output_step": rows * width * output.pixel,
                "residual_step": rows * width * (residual.pixel if residual is not None else 0),
            },
            macs=macs,
        )

    def _geometry(self, source: Layout, stride: tuple[int, int], cols: int, rows: int) -> dict[str, Any]:
        if isinstance(source, ImageLayout):
            row, pixel = source.row, 1
            stride_x = stride[1] // source.step if cols > 1 else 0
            width = source.words_per_row
        else:
            row, pixel = source.tensor.width * source.pixel, source.pixel
            stride_x, width = stride[1], source.tensor.width
        return {
            "cols": cols,
            "rows": rows,
            "x_step": stride_x * pixel,
            "y_step": stride[0] * row,
            "stride_x": stride_x,
            "stride_y": stride[0],
            "width": width,
            "height": source.tensor.height,
            "border": source.border if isinstance(source, ImageLayout) else source.tensor.zero_point,
        }

    def _tap(self, columns: Columns, source_name: str, y: int, x: int) -> PassPlan:
        source = self.layouts[source_name]
        channel = next(c for c in columns if c is not None)
        tile, group = tiling.identity_tile(columns, channel, source, self.config)
        if isinstance(source, ImageLayout):
            return PassPlan(source.base + y * source.row + x, x, y, tile)
        return PassPlan(source.base + (y * source.tensor.width + x) * source.pixel + group, x, y, tile)

    def _map(self, name: str) -> MapLayout:
        layout = self.layouts[name]
        assert isinstance(layout, MapLayout)
        return layout

    def _constants(self, columns: Columns, formula: OutputFormula) -> tuple[ChannelConstants, ...]:
        """Constants of every column; a column without a channel gives 0."""
        return tuple(
            formula.channels[c] if c is not None and c < len(formula.channels) else ChannelConstants() for c in columns
        )

    def _one_constant(self, rescale: Rescale) -> bool:
        """Whether all channels have the same output formula and tiles fill whole words."""
        same = all(np.all(v == v[0]) for v in (rescale.t, rescale.j, rescale.s, rescale.p, rescale.k, rescale.b))
        return same and self.config.lane_sets == 1

    def _check_formula(self, node: str, formula: OutputFormula) -> None:
        needs, config = formula.needs, self.config
        for what, need, have in (
            ("sums of {} bits", needs.acc_width, config.acc_width),
            ("a scaled sum of {} bits", needs.scaled_width, config.scaled_width),
            ("a scale shift of {}", needs.scale_shift, config.max_scale_shift),
            ("a residual shift of {}", needs.residual_shift or 0, config.max_residual_shift),
        ):
            if need > have:
                raise CompileError(f"layer {node!r} needs {what.format(need)}, the engine has {have}")
        if needs.residual_shift is not None and needs.residual_shift < config.min_residual_shift:
            raise CompileError(
                f"layer {node!r} needs a residual shift of {needs.residual_shift}, "
                f"the engine has {config.min_residual_shift} and more"
            )


def _spread(sums: ColumnSums, channels: int) -> ColumnSums:
    """Repeat the sums of a tile that serves several channel groups, so that there are ``channels`` of them."""
    if len(sums.positive) == channels:
        return sums
    return ColumnSums(*(np.resize(v, channels) for v in (sums.positive, sums.negative, sums.borrows)))


def _without_reloads(plan: LayerPlan) -> LayerPlan:
    """Keep the weights of the pass before where they are the same (pooling)."""
    held: np.ndarray | None = None
    tiles = []
    for tile in plan.tiles:
        passes = []
        for step in tile.passes:
            same = held is not None and step.weights is not None and np.array_equal(held, step.weights)
            held = step.weights
            passes.append(replace(step, weights=None) if same else step)
        tiles.append(replace(tile, passes=tuple(passes)))
    return replace(plan, tiles=tuple(tiles))

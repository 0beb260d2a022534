"""What the operations of the integer network share on their way to layer plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hw.graph import Network, Polyphase, Rescale, Tensor
from hw.systolic.compiler import tiling
from hw.systolic.compiler.constants import ColumnSums, OutputFormula, output_formula
from hw.systolic.compiler.layout import ImageLayout, Layout, MapLayout, PhaseLayout
from hw.systolic.compiler.plan import ChannelConstants, CompileError, LayerPlan, PassPlan, TilePlan, View
from hw.systolic.config import EngineConfig
from hw.systolic.program import ResidualMode

Columns = list[int | None]


@dataclass(frozen=True)
class Lowering:
    """Makes layer plans for one engine and one placement of the maps; ``operations`` says how for each operation."""

    network: Network
    layouts: dict[str, Layout]
    config: EngineConfig

    def layer(
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
        *,
        circular: bool = False,
    ) -> LayerPlan:
        """Return the plan of a layer whose results are stored; ``circular``: its input map wraps around."""
        config = self.config
        source, output = self.layouts[source_name], self.map(output_name)
        source_tensor, output_tensor = tensors or (source.tensor, output.tensor)
        residual = self.layouts[residual_name] if residual_name is not None else None
        if isinstance(residual, ImageLayout | PhaseLayout):
            what = "the image itself" if isinstance(residual, ImageLayout) else "one phase of a map"
            raise CompileError(f"layer {name!r} adds {what}; the engine adds stored maps only")
        sums = tiling.join_sums(tiling.column_sums(passes, columns, config) for columns, passes in tiles)
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
        measured = output_name in guides(self.network)
        self.check_formula(name, formula)
        height, width = output.tensor.height, output.tensor.width
        summed = any(len(passes) > 1 for _, passes in tiles)
        rows = tiling.strip_rows(name, height, width, config, even=measured) if summed else height
        plan_tiles = []
        for columns, passes in tiles:
            channel = next(c for c in columns if c is not None)
            group, lane = divmod(channel, config.rows)
            plan_tiles.append(
                TilePlan(
                    tuple(passes),
                    self.constants(columns, formula),
                    output=output.base + group,
                    output_step=output.pixel,
                    residual=residual.base + group if residual is not None else 0,
                    residual_step=residual.pixel if residual is not None else 0,
                    lane_set=lane // config.cols,
                )
            )
        if isinstance(source, PhaseLayout) and not circular:
            _check_inside(name, source, tiles, stride, output)
        geometry = self.geometry(source, stride, width, rows, circular=circular)
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
            measures=output_name if measured else None,
            norm_bits=(output.tensor.elements // 4 * output.tensor.maximum).bit_length() if measured else 0,
        )

    def geometry(
        self, source: Layout, stride: tuple[int, int], cols: int, rows: int, *, circular: bool = False
    ) -> dict[str, Any]:
        """Return the fields of a plan that say how the input map is walked through."""
        if isinstance(source, ImageLayout):
            row, pixel = source.row, 1
            stride_x = stride[1] // source.step if cols > 1 else 0
            width = source.words_per_row
        else:
            row, pixel = source.row, source.pixel
            stride_x, width = stride[1], source.tensor.width
        height, view = source.tensor.height, None
        stride_y = stride[0]
        if circular or isinstance(source, PhaseLayout):
            # A single operand has no next one.
            stride_x, stride_y = stride_x if cols > 1 else 0, stride_y if rows > 1 else 0
            width, height = width - stride_x, height - stride_y
            view = View(-width * pixel, -height * row, source.tensor.height)
            if isinstance(source, PhaseLayout):
                view = replace(view, x_phase=pixel // 2, y_phase=row // 2, guide=source.guide)
        return {
            "view": view,
            "cols": cols,
            "rows": rows,
            "x_step": stride_x * pixel,
            "y_step": stride[0] * row,
            "stride_x": stride_x,
            "stride_y": stride_y,
            "width": width,
            "height": height,
            "border": source.border if isinstance(source, ImageLayout) else source.tensor.zero_point,
        }

    def tap(self, columns: Columns, source_name: str, y: int, x: int) -> PassPlan:
        """Return a pass that hands one element of the window on to the columns."""
        source = self.layouts[source_name]
        channel = next(c for c in columns if c is not None)
        tile, group = tiling.identity_tile(columns, channel, source, self.config)
        if isinstance(source, ImageLayout):
            return PassPlan(source.base + y * source.row + x, x, y, tile)
        return PassPlan(source.base + y * source.row + x * source.pixel + group, x, y, tile)

    def map(self, name: str) -> MapLayout:
        """Return the layout of a stored map."""
        layout = self.layouts[name]
        assert isinstance(layout, MapLayout)
        return layout

    def constants(self, columns: Columns, formula: OutputFormula) -> tuple[ChannelConstants, ...]:
        """Constants of every column; a column without a channel gives 0."""
        return tuple(
            formula.channels[c] if c is not None and c < len(formula.channels) else ChannelConstants() for c in columns
        )

    def check_formula(self, node: str, formula: OutputFormula) -> None:
        """Raise :class:`CompileError` if the engine is too narrow for an output formula."""
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


def _check_inside(
    name: str,
    source: PhaseLayout,
    tiles: list[tuple[Columns, list[PassPlan]]],
    stride: tuple[int, int],
    output: MapLayout,
) -> None:
    """Refuse windows that reach outside of a phase, which is read as a map that wraps around."""
    reach_y, reach_x = (output.tensor.height - 1) * stride[0], (output.tensor.width - 1) * stride[1]
    for step in (step for _, passes in tiles for step in passes):
        inside_x = step.x >= 0 and step.x + reach_x < source.tensor.width
        if not inside_x or step.y < 0 or step.y + reach_y >= source.tensor.height:
            raise CompileError(
                f"layer {name!r} pads one phase of a map with the zero point; the engine lets it wrap around"
            )


def guides(network: Network) -> frozenset[str]:
    """Return the tensors whose phases are measured."""
    return frozenset(node.guide for node in network.nodes if isinstance(node, Polyphase))


def _spread(sums: ColumnSums, channels: int) -> ColumnSums:
    """Repeat the sums of a tile that serves several channel groups, so that there are ``channels`` of them."""
    if len(sums.positive) == channels:
        return sums
    return ColumnSums(*(np.resize(v, channels) for v in (sums.positive, sums.negative, sums.borrows)))

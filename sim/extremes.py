"""The largest and the smallest sum of every output channel, in the gateware of array and accumulators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth import Module
from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.graph import Network
from hw.systolic import timing
from hw.systolic.accumulator import SLOT, Accumulator
from hw.systolic.array import ShiftAddArray
from hw.systolic.compiler import compile_network, tiling
from hw.systolic.compiler.assemble import weight_words
from hw.systolic.compiler.plan import LayerPlan, PassPlan
from hw.systolic.config import EngineConfig
from hw.systolic.delay import delay_line, delayed

_EARLY = 4
"""Clocks that the lanes are held back, so that no slot's tag has to come before its operands."""
_PAUSE = 12
"""Clocks behind a pass, longer than the loop of a partial sum."""


class ColumnSums(wiring.Component):
    """The engine's array with its accumulators, and nothing else.

    Parameters
    ----------
    config : EngineConfig
        Shape and widths.

    Ports
    -----
    lanes, load, begin : in, see :class:`~hw.systolic.array.ShiftAddArray`
    slot : :data:`~hw.systolic.accumulator.SLOT`, in, in the clock of the slot's lanes
    psums : ``cols`` signed(acc_width), out
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "lanes": In(config.activation_bits).array(config.rows),
                "load": In(1),
                "begin": In(1),
                "slot": In(SLOT),
                "psums": Out(signed(config.acc_width)).array(config.cols),
            }
        )

    def cycles(self, group: int) -> int:
        """Return the latency in clocks from a slot's lanes to the partial sums of a column group."""
        return _EARLY + timing.array_latency(self.config) + group + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.array = array = ShiftAddArray(config)
        m.d.comb += [
            array.load.eq(delayed(m, self.load, _EARLY, "load", reset_less=False)),
            array.begin.eq(delayed(m, self.begin, _EARLY, "begin", reset_less=False)),
        ]
        for r in range(config.rows):
            m.d.comb += array.lanes[r].eq(delayed(m, self.lanes[r], _EARLY, f"lane{r}"))
        early = _EARLY + timing.array_latency(config) - timing.psum_read(config)
        tags = delay_line(m, self.slot.as_value(), early + config.groups, "slot", reset_less=False)
        for g in range(config.groups):
            m.submodules[f"accumulator{g}"] = accumulator = Accumulator(config)
            m.d.comb += accumulator.slot.as_value().eq(tags[early + g])
            for h in range(config.tile_cols):
                c = g * config.tile_cols + h
                m.d.comb += [accumulator.sums[h].eq(array.sums[c]), self.psums[c].eq(accumulator.psums[h])]
        return m


@dataclass(frozen=True)
class Extremes:
    """What the gateware made of the extreme inputs of one layer.

    Attributes
    ----------
    layer : str
        Name of the network's node.
    width : int
        The compiler's width of the layer's sums, in bits.
    channels : int
        Columns with a weight in any pass, over all tiles.
    reached : int
        Channels whose sums were exactly the predicted largest and smallest one.
    wraps : bool
        Whether a sum came out wrong with one bit less.
    """

    layer: str
    width: int
    channels: int
    reached: int
    wraps: bool


def measure_extremes(network: Network, config: EngineConfig) -> Iterator[Extremes]:
    """Drive every output channel of every layer to both ends of its sum, at the layer's width and at one bit less.

    Parameters
    ----------
    network : Network
        The network.
    config : EngineConfig
        An engine that runs it.

    Yields
    ------
    Extremes
        One a layer of the program.
    """
    for layer in compile_network(network, config).layers:
        width = layer.needs.acc_width
        tiles = [_tile_passes(layer, index) for index in range(len(layer.tiles))]
        largest = _largest_operand(network, layer, config)
        wanted = [predicted_ends(passes, config, largest) for passes in tiles]
        got = run_extremes(tiles, replace(config, acc_width=max(8, width)), largest)
        narrow = run_extremes(tiles, replace(config, acc_width=width - 1), largest) if width > 8 else None
        used = [np.any([p.weights.any(axis=0) for p in passes if p.weights is not None], axis=0) for passes in tiles]
        equal = [np.all(a == b, axis=0) for a, b in zip(got, wanted, strict=True)]
        yield Extremes(
            layer.node,
            width,
            int(sum(u.sum() for u in used)),
            int(sum((e & u).sum() for e, u in zip(equal, used, strict=True))),
            narrow is None or any(not np.array_equal(a, b) for a, b in zip(narrow, wanted, strict=True)),
        )


def predicted_ends(passes: Sequence[PassPlan], config: EngineConfig, largest: int) -> np.ndarray:
    """Return the compiler's largest and smallest sum of every column, int64 (2, cols)."""
    every = tiling.column_sums(passes, list(range(config.cols)), config)
    sums = tiling.join_sums([every])
    return np.stack(sums.ends(largest)[::-1])


def run_extremes(tiles: Sequence[Sequence[PassPlan]], config: EngineConfig, largest: int) -> list[np.ndarray]:
    """Return the gateware's sums for the extreme inputs of every tile, each int64 (2, cols): largest, smallest.

    Output pixel ``2c`` has the operands that make column ``c`` largest, pixel ``2c + 1`` those that make it smallest.
    """
    dut = ColumnSums(config)
    clocks: list[tuple[list[int], dict[str, int]]] = []
    final: dict[int, tuple[int, int]] = {}
    rest: tuple[list[int], dict[str, int]] = ([0] * config.rows, {})
    for t, passes in enumerate(tiles):
        for i, step in enumerate(passes):
            assert step.weights is not None
            for n, word in enumerate(weight_words(step.weights, config)):
                lanes = [
                    word >> r * config.activation_bits & (1 << config.activation_bits) - 1 for r in range(config.rows)
                ]
                clocks.append((lanes, {"load": 1, "begin": int(n == 0)}))
            peak = min(largest, (1 << config.activation_bits) - 1)
            for pixel in range(2 * config.cols):
                column = step.weights[:, pixel // 2]
                chosen = column < 0 if pixel % 2 else column > 0
                slot = {"valid": 1, "start": int(pixel == 0), "first": int(i == 0), "shift": int(step.shift_sums)}
                if i == len(passes) - 1:
                    final[len(clocks)] = (t, pixel)
                clocks.append((np.where(chosen, peak, 0).tolist(), slot))
            clocks += [rest] * max(0, 4 - 2 * config.cols)
    clocks += [rest] * _PAUSE
    clocks += [rest] * (dut.cycles(config.groups))
    found = [np.zeros((2, config.cols), np.int64) for _ in tiles]
    due: dict[int, list[tuple[int, int, int]]] = {}
    for clock, (t, pixel) in final.items():
        c = pixel // 2
        due.setdefault(clock + dut.cycles(c // config.tile_cols), []).append((t, pixel % 2, c))

    async def testbench(ctx):  # type: ignore[no-untyped-def]
        for clock, (lanes, tags) in enumerate(clocks):
            for t, end, c in due.get(clock, ()):
                found[t][end, c] = ctx.get(dut.psums[c])
            for r, lane in enumerate(lanes):
                ctx.set(dut.lanes[r], lane)
            ctx.set(dut.load, tags.get("load", 0))
            ctx.set(dut.begin, tags.get("begin", 0))
            ctx.set(dut.slot, {name: tags.get(name, 0) for name in ("valid", "start", "first", "shift")})
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return found


def _tile_passes(layer: LayerPlan, index: int) -> list[PassPlan]:
    """Return a tile's passes, each with the weights that it meets, also where they are those of a pass before."""
    held: np.ndarray | None = None
    passes: list[PassPlan] = []
    for tile in layer.tiles[: index + 1]:
        passes = []
        for step in tile.passes:
            held = step.weights if step.weights is not None else held
            passes.append(replace(step, weights=held))
    return passes


def _largest_operand(network: Network, layer: LayerPlan, config: EngineConfig) -> int:
    """Return the largest stored number that the layer reads."""
    node = next(node for node in network.nodes if node.name == layer.node)
    return network.tensor(node.inputs[0]).maximum

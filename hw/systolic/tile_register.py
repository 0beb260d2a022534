"""Where the results of the current column tile go, and where its residual operands are."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic.config import EngineConfig
from hw.systolic.program import TILE


class TileRegister(wiring.Component):
    """Keeps a ``TILE`` instruction and moves its addresses on, pixel by pixel.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    begins, tile : in; take the instruction :data:`~hw.systolic.program.TILE`
    output_offset, residual_offset : in; the strip's, added to the instruction's addresses when it is taken
    output_next, residual_next : in; the address was used
    output_address, residual_address : out; word addresses of the next result and residual operand
    constants, lane_set : out; the tile's

    Latency
    -------
    The outputs are new one clock after ``begins``, an address one clock after it was used.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        address = config.address_bits
        super().__init__(
            {
                "begins": In(1),
                "tile": In(TILE),
                "output_offset": In(address),
                "residual_offset": In(address),
                "output_next": In(1),
                "residual_next": In(1),
                "output_address": Out(address),
                "residual_address": Out(address),
                "constants": Out(10),
                "lane_set": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tile = self.tile
        # No more than the address of the constants' memory.
        constants = Signal(range(self.config.constant_depth), name="constants_register", reset_less=True)
        lane_set = Signal(2, name="lane_set_register", reset_less=True)
        m.d.comb += [self.constants.eq(constants), self.lane_set.eq(lane_set)]
        with m.If(self.begins):
            m.d.sync += [constants.eq(tile.constants), lane_set.eq(tile.lane_set)]
        for name in ("output", "residual"):
            start, step = tile[name], tile[f"{name}_step"]
            address = Signal(self.config.address_bits, name=f"{name}_address_register", reset_less=True)
            stride = Signal(min(8, self.config.step_bits), name=f"{name}_step", reset_less=True)
            m.d.comb += getattr(self, f"{name}_address").eq(address)
            with m.If(getattr(self, f"{name}_next")):
                m.d.sync += address.eq(address + stride)
            with m.If(self.begins):
                m.d.sync += [address.eq(start + getattr(self, f"{name}_offset")), stride.eq(step)]
        return m

"""Who has the memory's ports, and when: conflicts are excluded before a slot is issued."""

from __future__ import annotations

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.systolic import timing
from hw.systolic.config import EngineConfig
from hw.systolic.program import ResidualMode


class PortSchedule(wiring.Component):
    """Reserves the memory port for what a slot will need later.

    A slot of a last pass reads its residual operand and writes its result at fixed clocks after it was
    issued. Both are entered into a shift register when the slot is issued; a slot for which one of them is
    taken waits. So results are never stalled, and neither array nor requantisers need a clock enable.
    With separate ports only reads need a reservation.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.

    Ports
    -----
    residual_mode, stores : in, constant during a layer: what its last slots will need
    issue_last : in: a last slot is issued in this clock
    next_is_last : in: a slot of the next clock would be a last one
    read_free : out: the read port is free in this clock
    slot_free : out: a slot may be issued in this clock

    Slots behind a last slot keep ``columns_per_requantizer`` clocks of distance: its sums must stay until the
    requantisers have taken them.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "residual_mode": In(ResidualMode),
                "stores": In(1),
                "issue_last": In(1),
                "next_is_last": In(1),
                "read_free": Out(1),
                "slot_free": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        add = timing.residual_read(config)
        compare = timing.maximum_read(config)
        write = timing.write(config)
        taken = Signal(write + 1)
        # Constant during a layer, so it may come a clock late and be close to where it is used.
        wanted = Signal(write + 1, reset_less=True)
        m.d.sync += [
            wanted[add].eq(self.residual_mode == ResidualMode.ADD),
            wanted[compare].eq(self.residual_mode == ResidualMode.MAXIMUM),
        ]
        if config.single_port:
            m.d.sync += wanted[write].eq(self.stores)
        # Entered a clock late, which nobody can notice: what a slot needs lies several clocks ahead, and no need of
        # the slot behind it falls on the same clock.
        issued = Signal()
        coming = Signal.like(taken)
        m.d.comb += coming.eq((taken | Mux(issued, wanted >> 1, 0)) >> 1)
        # Two columns that share a requantiser need no counter: the clock behind the last slot is decided with it.
        share = config.columns_per_requantizer
        pause = Signal(range(max(1, share - 1)))
        pausing = Signal()
        m.d.comb += pausing.eq((self.issue_last if share > 1 else 0) | (pause != 0))
        if share > 2:
            with m.If(self.issue_last):
                m.d.sync += pause.eq(share - 2)
            with m.Elif(pause != 0):
                m.d.sync += pause.eq(pause - 1)
        # What the next clock allows is decided now: the way from here to the address registers is long.
        read_free = Signal(init=1)
        slot_free = Signal(init=1)
        # Last slots need the port at the same distances, and a layer reads a residual in one way only: they can meet
        # only where one's result is written while another's residual is read, by the same port.
        collides = self.next_is_last & (coming & wanted).any() if config.single_port else Const(0)
        m.d.sync += [
            issued.eq(self.issue_last),
            taken.eq(coming),
            read_free.eq(~coming[0]),
            slot_free.eq(~coming[0] & ~pausing & ~collides),
        ]
        m.d.comb += [self.read_free.eq(read_free), self.slot_free.eq(slot_free)]
        return m

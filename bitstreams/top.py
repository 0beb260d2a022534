"""A board's top level: clock, UART, link, engine."""

from __future__ import annotations

from typing import Any

from amaranth import Module, ResetInserter
from amaranth.hdl import Elaboratable
from amaranth.lib import wiring

from bitstreams.board import Board
from hw.bus import FrameLink, LaneSplitter, UartReceiver, UartTransmitter
from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine


class Top(Elaboratable):
    """An engine behind a UART.

    Parameters
    ----------
    board : Board
        Where it goes.
    config : EngineConfig
        Shape of the engine; 8-bit or 4-bit activations, since the link carries bytes.
    """

    def __init__(self, board: Board, config: EngineConfig) -> None:
        if config.activation_bits not in (4, 8):
            raise ValueError(
                f"the UART link carries activations of 4 or 8 bits, the engine has {config.activation_bits}"
            )
        self.board = board
        self.config = config

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        clock, until_locked = self.board.add_clock(m, platform)
        reset = ResetInserter(until_locked)
        # Asked for a quarter more than needed, so that the tools do not stop at just enough.
        platform.add_clock_constraint(clock, self.board.clock_mhz * 1.25e6)
        divisor = round(self.board.clock_mhz * 1e6 / self.board.baud)
        receiver, transmitter = UartReceiver(divisor), UartTransmitter(divisor)
        link = FrameLink(
            # The engine's own watchdog comes first: it knows better what is wrong.
            timeout_bits=self.config.watchdog_bits + 1,
            images=self.config.clusters,
        )
        m.submodules.receiver, m.submodules.transmitter = reset(receiver), reset(transmitter)
        m.submodules.link = reset(link)
        # Stopped as long as the link is held in reset.
        m.submodules.engine = engine = Engine(self.config)
        uart = platform.request("uart", 0)
        m.d.comb += [
            receiver.rx.eq(uart.rx.i),
            uart.tx.o.eq(transmitter.tx),
            engine.run.eq(link.run),
            link.error.eq(engine.status.error),
            link.busy.eq(engine.status.busy),
            link.cycles.eq(engine.status.cycles),
        ]
        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.o, transmitter.i)
        if self.config.activation_bits == 4:
            splitter = LaneSplitter()
            m.submodules.lane_splitter = reset(splitter)
            m.d.comb += splitter.run.eq(link.run)
            wiring.connect(m, link.image, splitter.i)
            wiring.connect(m, splitter.o, engine.image)
        else:
            wiring.connect(m, link.image, engine.image)
        wiring.connect(m, engine.logits, link.logits)
        wiring.connect(m, engine.klass, link.klass)
        return m

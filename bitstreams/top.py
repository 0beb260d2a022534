"""A board's top level: clock, transport, link, engine."""

from __future__ import annotations

from typing import Any, Literal

from amaranth import Cat, Module, ResetInserter, Signal
from amaranth.hdl import Elaboratable
from amaranth.lib import wiring
from amaranth.lib.wiring import Component

from bitstreams.board import Board
from bitstreams.indicators import add_lamps
from bitstreams.stored import StoredNetwork
from hw.bus import FlashReader, HostLink, LaneSplitter, SpiDevice, UartReceiver, UartTransmitter, look_clocks
from hw.bus.byte_fifo import BLOCKS
from hw.bus.description import Description
from hw.bus.uart import half_bits
from hw.devices import Family
from hw.systolic.config import EngineConfig
from hw.systolic.engine import Engine

Transport = Literal["uart", "spi"]

TIMEOUT_S = 0.4
"""About how long a frame may make no progress; a host's USB bus pauses for some milliseconds."""


class Top(Elaboratable):
    """An engine behind a UART or an SPI.

    Parameters
    ----------
    board : Board
        Where it goes.
    config : EngineConfig
        Shape of the engine; 8-bit or 4-bit activations, since the link carries bytes.
    link : "uart" or "spi"
        What carries the bytes. The pins are the platform's resource ``uart``, or ``spi_link`` with ``clk``, ``cs``,
        ``copi`` and ``cipo``.
    boot : component or None
        What is read before the host: has a stream ``o`` of 8 bits with requests, and ``done``. A
        :class:`~hw.bus.FlashReader` gets the pins of the board's flash.
    stored : StoredNetwork or None
        A network that is there after configuration; only where the bitstream can initialise the memory.

    Raises
    ------
    ValueError
        If the activations have another width, or the link is unknown.
    """

    def __init__(
        self,
        board: Board,
        config: EngineConfig,
        *,
        link: Transport = "uart",
        boot: Component | None = None,
        stored: StoredNetwork | None = None,
    ) -> None:
        if config.activation_bits not in (4, 8):
            raise ValueError(
                f"the UART link carries activations of 4 or 8 bits, the engine has {config.activation_bits}"
            )
        if link not in ("uart", "spi"):
            raise ValueError(f"link {link!r} is unknown, supported are uart, spi")
        self.board = board
        self.config = config
        self.transport = link
        self.boot = boot
        self.stored = stored
        ecp5 = board.device.family is Family.ECP5
        clock_hz = round(board.clock_mhz * 1e6)
        self.link = HostLink(
            self.description().to_bytes(),
            clusters=config.clusters,
            timeout=max(256, round(TIMEOUT_S * clock_hz) // look_clocks(ecp5)),
            depth=board.device.queue_bytes,
            registered=ecp5,
            boot=boot is not None,
            prefix=stored.prefix if stored else b"",
        )

    def description(self) -> Description:
        """Return what the board tells a host."""
        depth = self.board.device.queue_bytes
        clock_hz = round(self.board.clock_mhz * 1e6)
        return Description(
            self.config, self.board.name, clock_hz, depth - depth // BLOCKS, self.transport,
            round(2 * clock_hz / half_bits(clock_hz, self.board.baud)) if self.transport == "uart" else 0,
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        clock, until_locked = self.board.add_clock(m, platform)
        reset = ResetInserter(until_locked)
        # Asked for a quarter more than needed, so that the tools do not stop at just enough. On an ECP5 nextpnr knows
        # the net by another name and asks for the PLL's own clock, which made no difference where it was tried (16 x 16
        # cells, one seed: the same MHz).
        platform.add_clock_constraint(clock, self.board.clock_mhz * 1.25e6)
        link = self.link
        m.submodules.link = reset(link)
        # Stopped as long as the link is held in reset.
        m.submodules.engine = engine = Engine(self.config, self.stored.words if self.stored else ())
        # A register, since the way from the link to all of the engine is long.
        run = Signal()
        m.d.sync += run.eq(link.run)
        m.d.comb += [
            engine.run.eq(run),
            link.error.eq(engine.status.error),
            link.busy.eq(engine.status.busy),
            link.cycles.eq(engine.status.cycles),
        ]
        if self.transport == "uart":
            self._uart(m, platform, reset)
        else:
            self._spi(m, platform, reset)
        if self.boot is not None:
            m.submodules.boot = reset(self.boot)
            wiring.connect(m, self.boot.o, link.boot)
            m.d.comb += link.boot_done.eq(self.boot.done)
            if isinstance(self.boot, FlashReader):
                self._flash(m, platform, self.boot)
        add_lamps(m, platform, link.run, engine.status.error.as_value().any())
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

    def _flash(self, m: Module, platform: Any, reader: FlashReader) -> None:
        pins = platform.request("spi_flash_1x", self.board.flash)
        # A load begins with a short run; only one that lasts means that the network is there.
        lasts = Signal(4)
        m.d.sync += lasts.eq(Cat(self.link.run, lasts))
        m.d.comb += [
            pins.cs.o.eq(~reader.cs_n),
            pins.clk.o.eq(reader.sclk),
            pins.copi.o.eq(reader.copi),
            reader.cipo.eq(pins.cipo.i),
            reader.stop.eq(lasts.all()),
        ]

    def _uart(self, m: Module, platform: Any, reset: ResetInserter) -> None:
        halves = half_bits(round(self.board.clock_mhz * 1e6), self.board.baud)
        receiver, transmitter = UartReceiver(halves / 2), UartTransmitter(halves / 2)
        m.submodules.receiver, m.submodules.transmitter = reset(receiver), reset(transmitter)
        uart = platform.request("uart", 0)
        m.d.comb += [receiver.rx.eq(uart.rx.i), uart.tx.o.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, self.link.i)
        wiring.connect(m, self.link.o, transmitter.i)

    def _spi(self, m: Module, platform: Any, reset: ResetInserter) -> None:
        device = SpiDevice()
        m.submodules.spi = reset(device)
        pins = platform.request("spi_link", 0)
        m.d.comb += [
            device.sck.eq(pins.clk.i),
            device.select.eq(pins.cs.i),
            device.copi.eq(pins.copi.i),
            pins.cipo.o.eq(device.cipo),
        ]
        wiring.connect(m, device.o, self.link.i)
        wiring.connect(m, self.link.o, device.i)

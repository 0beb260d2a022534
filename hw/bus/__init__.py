"""Links between an engine and a host, and the buses of a system on a chip."""

from hw.bus.accelerators import AxiAccelerator, WishboneAccelerator
from hw.bus.byte_fifo import ByteFifo
from hw.bus.flash_reader import FlashReader
from hw.bus.frame_link import FrameLink, look_clocks
from hw.bus.host_link import HostLink
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.spi_device import SpiDevice
from hw.bus.uart import UartReceiver, UartTransmitter

__all__ = [
    "AxiAccelerator",
    "ByteFifo",
    "FlashReader",
    "FrameLink",
    "HostLink",
    "LaneSplitter",
    "SpiDevice",
    "UartReceiver",
    "UartTransmitter",
    "WishboneAccelerator",
    "look_clocks",
]

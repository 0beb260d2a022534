"""Links between an engine and a host."""

from hw.bus.frame_link import FrameLink
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.uart import UartReceiver, UartTransmitter

__all__ = ["FrameLink", "LaneSplitter", "UartReceiver", "UartTransmitter"]

"""Links between an engine and a host, and the buses of a system on a chip."""

from hw.bus.accelerators import AxiAccelerator, WishboneAccelerator
from hw.bus.frame_link import FrameLink
from hw.bus.lane_splitter import LaneSplitter
from hw.bus.uart import UartReceiver, UartTransmitter

__all__ = ["AxiAccelerator", "FrameLink", "LaneSplitter", "UartReceiver", "UartTransmitter", "WishboneAccelerator"]

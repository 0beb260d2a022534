"""The FPGAs, by what they have."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Family(enum.Enum):
    """FPGA family."""

    ICE40 = "ice40"
    ECP5 = "ecp5"


@dataclass(frozen=True)
class Device:
    """Resources of one FPGA.

    Attributes
    ----------
    name : str
        Name as in the vendor's part number.
    family : Family
        FPGA family.
    luts : int
        4-input lookup tables (iCE40: logic cells).
    block_rams : int
        Block RAMs of ``block_ram_bits`` bits.
    block_ram_bits : int
        4,096 (iCE40, 256 x 16) or 18,432 (ECP5, 512 x 36).
    sprams : int
        UP5K single-port RAMs of 16k x 16 bits; a bitstream cannot initialise them.
    dsps : int
        Multipliers, which this project leaves alone.
    """

    name: str
    family: Family
    luts: int
    block_rams: int
    block_ram_bits: int
    sprams: int
    dsps: int

    @property
    def queue_bytes(self) -> int:
        """Return the bytes of a board's queue from its host: a block RAM where maps and weights need all others."""
        if self.family is Family.ECP5:
            return 16384
        return 2048 if self.sprams else 512


UP5K = Device("iCE40UP5K", Family.ICE40, 5280, 30, 4096, 4, 8)
HX1K = Device("iCE40HX1K", Family.ICE40, 1280, 16, 4096, 0, 0)
HX8K = Device("iCE40HX8K", Family.ICE40, 7680, 32, 4096, 0, 0)
LP8K = Device("iCE40LP8K", Family.ICE40, 7680, 32, 4096, 0, 0)
ECP5_12 = Device("LFE5U-12F", Family.ECP5, 24288, 56, 18432, 0, 28)
"""Sold as 12,000 tables; the die, and the open tools, have a 25F's."""
ECP5_25 = Device("LFE5U-25F", Family.ECP5, 24288, 56, 18432, 0, 28)
ECP5_45 = Device("LFE5U-45F", Family.ECP5, 43848, 108, 18432, 0, 72)
ECP5_85 = Device("LFE5U-85F", Family.ECP5, 83640, 208, 18432, 0, 156)
ECP5_UM_45 = Device("LFE5UM-45F", Family.ECP5, 43848, 108, 18432, 0, 72)
ECP5_5G_85 = Device("LFE5UM5G-85F", Family.ECP5, 83640, 208, 18432, 0, 156)

_ALL = (UP5K, HX1K, HX8K, LP8K, ECP5_12, ECP5_25, ECP5_45, ECP5_85, ECP5_UM_45, ECP5_5G_85)
DEVICES = {device.name: device for device in _ALL}
"""All devices by name."""

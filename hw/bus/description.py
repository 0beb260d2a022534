"""What a board tells a host about itself: a small file in its block RAM."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from hw.bus.frame_types import VERSION
from hw.systolic.config import EngineConfig

MAX_TEXT = 1 << 16
"""Longest description before compression; a damaged one does not fill a host's memory."""


@dataclass(frozen=True)
class Description:
    """A board's engine and link.

    Attributes
    ----------
    config : EngineConfig
        The engine, complete: networks are compiled for it.
    board : str
        Name of the board.
    clock_hz : int
        Clock of engine and link.
    credit : int
        Bytes that may be sent beyond a frame that is not answered yet.
    link : str
        ``uart`` or ``spi``.
    baud : int
        Of the UART; 0 for SPI.
    """

    config: EngineConfig
    board: str
    clock_hz: int
    credit: int
    link: str = "uart"
    baud: int = 0

    def to_bytes(self) -> bytes:
        """Return the description as zlib-compressed JSON, the protocol's version first."""
        fields = {**self.__dict__, "config": self.config.to_json()}
        return bytes([VERSION]) + zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 9)

    @classmethod
    def from_bytes(cls, content: bytes) -> Description:
        """Read :meth:`to_bytes`' result; ``ValueError`` if it is another version's, or damaged."""
        if content[:1] != bytes([VERSION]):
            raise ValueError(f"the board speaks protocol {content[0] if content else 'unknown'}, this host {VERSION}")
        try:
            inflate = zlib.decompressobj()
            fields = json.loads(inflate.decompress(content[1:], MAX_TEXT))
            found = cls(**{**fields, "config": EngineConfig.from_json(fields["config"])})
            for name, kind in (("board", str), ("link", str), ("clock_hz", int), ("credit", int), ("baud", int)):
                if not isinstance(getattr(found, name), kind):
                    raise TypeError(f"field {name} is not {kind.__name__}")
        except (zlib.error, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"the board's description is damaged ({error})") from error
        return found

"""What the link's cells hold: numbers of frames, counters, constants, the description of the board."""

from __future__ import annotations

from hw.bus.frame_types import DIGEST_BYTES, ECHO_BYTES, PREFIX_BYTES
from hw.bus.microcode import CELL_BITS

HEADER = 0
"""Cells of a request's type, sequence number, length and CRC."""

HEADER_BYTES = 7
SEQUENCE = 1
LENGTH = 2
PHASE = 7
"""What is being received."""

PAYLOAD, TAIL, HEAD, NOTHING = 0, 1, 2, 3
"""A payload, its CRC, a header; nothing, since an image's answer is awaited."""

PROBLEM = 8
"""The :class:`LinkError` of a frame, 0 if it is good."""

COUNT = 9
TIMER = 10
"""Three cells, counted down without progress."""

REPLY_TYPE = 13
REPLY_LENGTH = 14
"""Three cells."""

TYPE = 17
"""A copy, to count down."""

LEFT = 18
"""Three cells: bytes that are left, less one."""

COUNTERS = 21
"""Clocks of the last inference, images answered, frames refused, looks for a byte in the middle of an image."""

ANSWERED, REFUSED, STALLS = COUNTERS + 4, COUNTERS + 8, COUNTERS + 12
COUNTER_BYTES = 16
CONSTANTS = COUNTERS + COUNTER_BYTES
BLOB = 1 << CELL_BITS
"""Where the description of the board begins; the digest of the loaded network is before it."""

PREFIX = BLOB - PREFIX_BYTES
ANSWER_LENGTH = PREFIX + DIGEST_BYTES
"""Three cells: the length of an answer."""

ECHO = PREFIX - ECHO_BYTES
"""Where a self-test's payload is kept."""

SHORT = 4
"""Times 256 looks for which an engine that is not busy may still answer."""

PAUSE = 255
"""Looks at a counter while a restarted engine is stopped, and while it is checked whether its program is one."""

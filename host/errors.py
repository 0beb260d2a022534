"""What can go wrong between a host and a board; every message is one sentence."""

from __future__ import annotations


class HostError(RuntimeError):
    """A board cannot be used, or its answer is not the expected one."""


class RefusedError(HostError):
    """The board refused a frame.

    Attributes
    ----------
    reason : int
        The :class:`~hw.bus.frame_types.LinkError`.
    state : State
        The engine's state.
    """

    def __init__(self, message: str, reason: int, state: object = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.state = state

"""How many processor cores a process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Return the cores that this process may use, which may be fewer than the machine has (``taskset``, containers)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""The processes of a training: which one this is, and what they do together; a single one does nothing."""

from __future__ import annotations

import os

import torch
from torch import Tensor, distributed, nn


def process_share() -> tuple[int, int]:
    """Return (rank, number of processes)."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def local_processes() -> int:
    """Return the number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def together() -> bool:
    """Return whether this process trains with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of all processes' values."""
    if together():
        value = value.clone()
        distributed.all_reduce(value)
    return value


def largest_over_processes(value: Tensor) -> Tensor:
    """Return the largest of all processes' values."""
    if together():
        value = value.clone()
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
    return value


@torch.no_grad()
def take_buffers_of_first(model: nn.Module) -> None:
    """Give all processes the first one's buffers, such as running statistics: of the last step each has its own."""
    if together():
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)

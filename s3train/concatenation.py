"""Recognises concatenations in a traced model."""

from __future__ import annotations

import torch
from torch import fx


def is_concatenation(node: fx.Node) -> bool:
    """Return whether a node is ``torch.cat``; converted models have the tensors as its first argument."""
    return node.op == "call_function" and node.target in (torch.cat, torch.concat)

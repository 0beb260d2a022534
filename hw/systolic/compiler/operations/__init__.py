"""What the compiler makes of every operation, one a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw.graph.ops import Add, AveragePool, Balance, Concatenation, Convolution, Logits, MaxPool, Polyphase, Table
from hw.systolic.compiler.fold_shifts import FoldedConvolution
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.operations import (
    add,
    average_pool,
    balance,
    convolution,
    logits,
    max_pool,
    polyphase,
    table,
)
from hw.systolic.compiler.plan import LayerPlan

Lower = Callable[[Lowering, Any], list[LayerPlan]]


def _nothing(lowering: Lowering, node: Any) -> list[LayerPlan]:
    """Return no layer: the parts of a concatenation are stored where it lies."""
    return []


LOWER: dict[type, Lower] = {
    Convolution: convolution.lower,
    FoldedConvolution: convolution.lower,
    MaxPool: max_pool.lower,
    AveragePool: average_pool.lower,
    Add: add.lower,
    Concatenation: _nothing,
    Polyphase: polyphase.lower,
    Table: table.lower,
    Balance: balance.lower,
    Logits: logits.lower,
}
"""By the operation's class."""

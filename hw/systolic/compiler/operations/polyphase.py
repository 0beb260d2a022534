"""How polyphase sampling becomes addresses."""

from __future__ import annotations

from hw.graph.ops import Polyphase
from hw.systolic.compiler.lowering import Lowering
from hw.systolic.compiler.plan import LayerPlan


def lower(lowering: Lowering, node: Polyphase) -> list[LayerPlan]:
    """Return no layer: its map is measured while it is written, and read at the chosen phase.

    See :class:`~hw.systolic.compiler.layout.PhaseLayout` and :class:`~hw.systolic.compiler.plan.View`.
    """
    return []

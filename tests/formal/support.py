"""What the tests of proofs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amaranth.hdl import Elaboratable

from sim.formal.prove import Mode, Theorem, prove


def holds(theorem: Theorem) -> None:
    """Fail with the counterexample unless the theorem is proved."""
    proof = prove(theorem)
    assert proof.status == "proved", proof.reason


def refuted(theorem: Theorem) -> str:
    """Fail unless a run from the initial state breaks a claim; return the reason, which names the claims."""
    proof = prove(replace(theorem, mode=Mode.BOUNDED, depth=max(theorem.depth, 10)))
    assert proof.status == "refuted", f"{theorem.name}: {proof.status}"
    return proof.reason


def faulty(component: type[Any], fault: Callable[[Any, Any], None]) -> type[Any]:
    """Return a component with a planted fault: ``fault(component, module)`` adds statements behind its own.

    The last assignment of a signal counts, so a fault overrides what the component does.
    """

    class Faulty(component):  # type: ignore[misc]
        def elaborate(self, platform: object) -> Elaboratable:
            module = super().elaborate(platform)
            fault(self, module)
            return module

    return Faulty

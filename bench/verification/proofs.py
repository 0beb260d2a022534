"""Every proof, with the time it took."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from sim.formal.prove import prove
from sim.formal.theorems import THEOREMS


def measure(console: Console) -> list[dict[str, Any]]:
    """Prove all theorems; return name, status, depth (clocks, or "induction") and seconds of each."""
    results = []
    for theorem in THEOREMS.values():
        proof = prove(theorem)
        result = proof.to_json()
        console.print(f"{result['status']:8} {result['depth']!s:>9} {result['seconds']:7.1f} s  {proof.name}")
        if proof.reason:
            console.print(f"         {proof.reason}")
        results.append(result)
    return results

"""Measures the parts one by one and keeps their figures in ``bench/results/verification.json``."""

from __future__ import annotations

import argparse
from importlib import import_module

from rich.console import Console

from bench.verification.results import record

PARTS = ("levels", "random_networks", "proofs", "mutants", "bounds", "fuzz", "kills")
"""Names of modules here, each with ``measure(console)``, which returns the part's figures as JSON types."""


def main() -> None:
    """Measure the parts that were asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench.verification", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be given more than once")
    arguments = parser.parse_args()
    console = Console()
    for part in arguments.only or PARTS:
        console.rule(part)
        record(part, import_module(f"bench.verification.{part}").measure(console))


if __name__ == "__main__":
    main()

"""What a verification was made from: digests of the network, of what was generated from it, and of the sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from hw.graph import digest
from hw.systolic.build import Build
from sim.runner import pack_memory

SOURCES = ("hw", "sim", "bitstreams")
"""Packages that make the hardware and compare it."""


def sources_digest(root: Path | None = None) -> str:
    """Return the SHA-256 of all Python and Verilog files of :data:`SOURCES`, their names included."""
    root = root or Path(__file__).parents[1]
    files = [path for package in SOURCES for path in (root / package).rglob("*") if path.suffix in (".py", ".v")]
    return _sha256(
        part for path in sorted(files) for part in (path.relative_to(root).as_posix().encode(), path.read_bytes())
    )


def build_digests(build: Build) -> dict[str, str]:
    """Return the digests of a build: network, Verilog, program, sources, and the version of what made the Verilog."""
    return {
        "network": digest(build.compiled.network),
        "verilog": _sha256([build.verilog.encode()]),
        "program": _sha256([pack_memory(build.compiled)]),
        "sources": sources_digest(),
        "amaranth": version("amaranth"),
    }


def _sha256(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()

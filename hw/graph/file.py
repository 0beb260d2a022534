"""The ``.s3net`` file: safetensors with the graph as JSON in the metadata. ``docs/format.md`` describes it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from hw.graph.errors import NetworkError, need
from hw.graph.network import Network
from hw.graph.serialize import graph_from_json, graph_to_json
from hw.whole_file import write_whole

FORMAT = "shiftforge.s3net"
VERSION = 1
MAX_BYTES = 1 << 26
"""Largest file that is read."""

MAX_HEADER = 1 << 24
"""Largest header of a file that is read."""


def to_bytes(network: Network) -> bytes:
    """Return the file's bytes; the same network always gives the same bytes."""
    network.validate()
    graph, tensors = graph_to_json(network)
    metadata = {"format": FORMAT, "version": str(VERSION), "graph": json.dumps(graph, sort_keys=True)}
    # The library writes the metadata in no fixed order, so the header is made canonical here.
    data = save_tensors(tensors, metadata)
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network; an existing file is replaced at once or not at all."""
    target = Path(path)
    data = to_bytes(network)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, data)


def digest(network: Network) -> str:
    """Return the SHA-256 of the network's file, in hexadecimal."""
    return hashlib.sha256(to_bytes(network)).hexdigest()


def load(path: str | os.PathLike[str]) -> Network:
    """Read and validate a network.

    Raises
    ------
    NetworkError
        One sentence with the file, and the node or tensor and field that is wrong.
    """
    target = Path(path)
    try:
        found = target.stat()
        need(stat.S_ISREG(found.st_mode), "not a file")
        size = found.st_size
        need(size <= MAX_BYTES, f"{size} bytes, files up to {MAX_BYTES} bytes are read")
        return from_bytes(target.read_bytes())
    except OSError as error:
        raise NetworkError(f"{target}: cannot be read ({error.strerror})") from error
    except NetworkError as error:
        raise NetworkError(f"{target}: {error}") from None


def from_bytes(data: bytes) -> Network:
    """Return the network of a file's bytes, validated."""
    need(len(data) >= 8, "too short for a .s3net file")
    length = int.from_bytes(data[:8], "little")
    need(length <= min(MAX_HEADER, len(data) - 8), "not a .s3net file, or a truncated one")
    try:
        header = json.loads(data[8 : 8 + length])
        need(isinstance(header, dict), "the header is not a JSON object")
        metadata: Any = header.get("__metadata__")
        need(isinstance(metadata, dict) and metadata.get("format") == FORMAT, "not a .s3net file (field format)")
        need(
            metadata.get("version") == str(VERSION),
            f"version {metadata.get('version')!r:.20} is not supported, this program reads version {VERSION}",
        )
        graph = json.loads(metadata["graph"])
        tensors: dict[str, np.ndarray] = load_tensors(data)
    except NetworkError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        reason = "".join(c if c.isprintable() else "?" for c in str(error)[:120])
        raise NetworkError(f"damaged ({reason})") from None
    return graph_from_json(graph, tensors)

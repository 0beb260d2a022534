"""Mutated ``.s3net`` files: the graph, the arrays' header, the arrays, the container, and plain bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.hostile.values import INTEGERS, STRINGS, hostile

_DTYPES = (
    "U8",
    "I8",
    "I16",
    "U16",
    "I32",
    "U32",
    "I64",
    "U64",
    "F16",
    "BF16",
    "F32",
    "F64",
    "BOOL",
    "F8_E4M3",
    "x",
    "",
)


@dataclass
class NetworkFile:
    """A file taken apart.

    Attributes
    ----------
    header : dict
        What the safetensors header says, without the graph.
    graph : dict
        The graph.
    arrays : bytearray
        Everything behind the header.
    edits : list of callables
        What is still to be done with the header's text.
    """

    header: dict[str, Any]
    graph: Any
    arrays: bytearray
    edits: list[Callable[[bytes], bytes]]

    @classmethod
    def parse(cls, data: bytes) -> NetworkFile:
        """Take a sound file apart."""
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return cls(header, json.loads(header["__metadata__"].pop("graph")), bytearray(data[8 + length :]), [])

    def join(self) -> bytes:
        """Return the file's bytes."""
        header = copy.copy(self.header)
        metadata = header.get("__metadata__")
        if isinstance(metadata, dict) and "graph" not in metadata:
            header["__metadata__"] = {**metadata, "graph": json.dumps(self.graph)}
        text = json.dumps(header).encode()
        for edit in self.edits:
            text = edit(text)
        return len(text).to_bytes(8, "little") + text + bytes(self.arrays)


def places(value: Any) -> Iterable[tuple[Any, Any]]:
    """Yield (container, key or index) of everything in a JSON value."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, child in items:
        yield value, key
        yield from places(child)


def change_json(rng: random.Random, value: Any) -> Any:
    """Change one place of a JSON value, and return it."""
    found = list(places(value))
    if not found:
        return hostile(rng)
    container, key = rng.choice(found)
    old = container[key]
    kind = rng.randrange(9)
    if kind <= 1:
        container[key] = hostile(rng)
    elif kind == 2:
        del container[key]
    elif kind == 3 and isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), copy.deepcopy(old))
    elif kind == 3:
        container[rng.choice((f"{key}_", *(k for k in container if k != key), "x"))] = container.pop(key)
    elif kind <= 5 and isinstance(old, int):
        container[key] = rng.choice((old + 1, old - 1, 2 * old, -old, old << 8, old ^ 1 << rng.randrange(12)))
    elif kind == 6 and isinstance(container, list) and len(container) > 1:
        rng.shuffle(container)
    else:
        other, at = rng.choice(found)
        try:
            container[key], other[at] = other[at], old
        except (KeyError, IndexError):
            container[key] = hostile(rng)
    return value


def _change_graph(rng: random.Random, file: NetworkFile) -> None:
    """Change one place of the graph."""
    file.graph = change_json(rng, file.graph)


def _same_kind(rng: random.Random, file: NetworkFile) -> None:
    """Change several fields of one name, or one number to a hostile one: the types stay right."""
    found = [(c, k) for c, k in places(file.graph) if isinstance(c[k], int | str)]
    if not found:
        return
    container, key = rng.choice(found)
    old = container[key]
    if isinstance(old, str):
        container[key] = rng.choice([c[k] for c, k in found if isinstance(c[k], str)] + list(STRINGS))
        if rng.random() < 0.5:
            # Everywhere: a name that is hostile, but consistent.
            for other, at in found:
                if other[at] == old:
                    other[at] = container[key]
    elif not isinstance(old, bool):
        container[key] = rng.choice(INTEGERS)


def _change_header(rng: random.Random, file: NetworkFile) -> None:
    """Lie about an array: its type, shape, place or name."""
    names = [name for name in file.header if name != "__metadata__"]
    if not names:
        return
    name = rng.choice(names)
    entry = file.header[name]
    kind = rng.randrange(9)
    if kind == 0 or not isinstance(entry, dict):
        file.header[name] = hostile(rng)
    elif kind == 1:
        entry["dtype"] = rng.choice(_DTYPES)
    elif kind == 2:
        entry["shape"] = rng.choice(([], [0], [-1], [1 << 40, 1 << 40], [*entry["shape"], 1], entry["shape"][::-1]))
    elif kind == 3:
        entry["data_offsets"] = [rng.choice((*INTEGERS, *entry["data_offsets"])) for _ in range(2)]
    elif kind == 4:
        entry["data_offsets"] = copy.copy(file.header[rng.choice(names)].get("data_offsets", 0))
    elif kind == 5:
        del file.header[name]
    elif kind == 6:
        file.header[rng.choice((*STRINGS, *names, "99.weight", "0.bias"))] = file.header.pop(name)
    elif kind == 7:
        entry[rng.choice(("dtype", "shape", "data_offsets", "x"))] = hostile(rng)
    else:
        # Another type of the same size: the container stays sound.
        entry["dtype"] = {"U8": "I8", "I8": "U8", "I32": rng.choice(("F32", "U32"))}.get(entry["dtype"], "U8")


def _change_metadata(rng: random.Random, file: NetworkFile) -> None:
    """Change version, format, or the graph as a whole."""
    kind = rng.randrange(4)
    metadata = file.header.get("__metadata__")
    if kind == 0 or not isinstance(metadata, dict):
        file.header["__metadata__"] = hostile(rng)
    elif kind == 1:
        metadata[rng.choice(("version", "format", "x"))] = hostile(rng)
    elif kind == 2:
        metadata["graph"] = rng.choice(("", "{", "null", "[" * 100_000, "9" * 5000, "1e999", hostile(rng), '"\\ud800"'))
    else:
        file.graph = hostile(rng)


def _change_arrays(rng: random.Random, file: NetworkFile) -> None:
    """Write extremes into one array."""
    entries = [e for n, e in file.header.items() if n != "__metadata__" and isinstance(e, dict)]
    if not entries:
        return
    offsets = rng.choice(entries).get("data_offsets")
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(o) is int for o in offsets)):
        return
    begin, end = max(0, offsets[0]), min(len(file.arrays), offsets[1])
    value = rng.choice((0, 1, 4, 15, 16, 0x7F, 0x80, 0xFF, None))
    for at in range(begin, end):
        if rng.random() < 0.5:
            file.arrays[at] = rng.randrange(256) if value is None else value


def _change_text(rng: random.Random, file: NetworkFile) -> None:
    """Do to the header's text what no JSON writer does."""
    kind = rng.randrange(8)

    def edit(text: bytes) -> bytes:
        if kind == 0:
            # A key twice.
            at = text.find(b'"', rng.randrange(max(1, len(text))))
            end = text.find(b",", at)
            return text if at < 0 or end < 0 else text[: end + 1] + text[at : end + 1] + text[end + 1 :]
        if kind == 1:
            return text.replace(b'"bits', b'"bits\xff\xfe', 1)
        if kind == 2:
            return rng.choice((b"\xef\xbb\xbf", b"  ", b"\0", b"[", b"\xff\xfe")) + text
        if kind == 3:
            return text + rng.choice((b"}", b" " * 9, b"\0", b"x", text))
        if kind == 4:
            deep = rng.choice((100, 10_000, 200_000))
            return b'{"x":' + b"[" * deep + b"]" * deep + b"," + text[1:]
        if kind == 5:
            return text.replace(b"1", rng.choice((b"1" * 5000, b"NaN", b"-Infinity", b"1e999", b"01", b"+1")), 1)
        if kind == 6:
            return text.replace(b"{", b'{"__proto__":{"x":1},', 1)
        return text.replace(b"\\", b"\\\\", rng.randrange(1, 4))

    file.edits.append(edit)


def change_container(rng: random.Random, data: bytes) -> bytes:
    """Lie about lengths, cut, append."""
    kind = rng.randrange(6)
    length = int.from_bytes(data[:8], "little")
    if kind == 0:
        wrong = rng.choice(
            (0, 1, 7, length - 1, length + 1, length + 8, len(data), 1 << 24, 1 << 31, 1 << 63, (1 << 64) - 1)
        )
        return (wrong % (1 << 64)).to_bytes(8, "little") + data[8:]
    if kind == 1:
        return data[: rng.randrange(len(data) + 1)]
    if kind == 2:
        return data + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 100)))
    if kind == 3:
        return rng.choice((b"", b"\0", b"\0" * 8, b"\0" * 9, b"PK\3\4" + data, data[8:], b"\x80\x04\x95.", data + data))
    if kind == 4:
        at = rng.randrange(len(data))
        return data[:at] + data[at + rng.randrange(1, 9) :]
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randrange(1, 60)] + data[at:]


def flip_bytes(rng: random.Random, data: bytes) -> bytes:
    """Change one to four bytes, or single bits of them."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        if changed:
            at = rng.randrange(len(changed))
            changed[at] = rng.randrange(256) if rng.random() < 0.5 else changed[at] ^ 1 << rng.randrange(8)
    return bytes(changed)


_STRUCTURED = (
    _change_graph, _change_graph, _same_kind, _same_kind, _change_header, _change_arrays, _change_arrays,
    _change_metadata, _change_text,
)  # fmt: skip


def mutate(rng: random.Random, source: bytes) -> bytes:
    """Return a mutated copy of a sound file."""
    kind = rng.random()
    if kind < 0.15:
        return flip_bytes(rng, source)
    if kind < 0.25:
        return change_container(rng, source)
    file = NetworkFile.parse(source)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(_STRUCTURED)(rng, file)
    data = file.join()
    return flip_bytes(rng, data) if rng.random() < 0.05 else data

"""Values that a reader of JSON, YAML or a command line does not expect."""

from __future__ import annotations

import random
from typing import Any

INTEGERS = (
    *(0, 1, -1, 2, 3, 5, 7, 8, 9, 15, 16, 31, 32, 64, 127, 128, 200, 201, 255, 256, 1000, 1001),
    *(4095, 4096, 4097, 65536),
    *(sign * ((1 << bits) + off) for bits in (24, 26, 31, 32, 53, 62, 63, 64, 100, 1000) for off in (-1, 0, 1)
      for sign in (1, -1)),
)  # fmt: skip

STRINGS = (
    "", " ", "0", "1", "-1", "s3-3", "s3-2", "s3-5", "s3-9", "dense-2", "dense-4", "int-8", "s3-4-max8",
    "s3-4-max99999", "s3-\uff13", "Logits", "Convolution", "MaxPool", "AveragePool", "Add", "Concatenation",
    "logits", "t0", "t1", "nan",
    "../../../etc/passwd", "/etc/passwd", "/dev/zero", "file:///etc/passwd", "C:\\x", "\0", "a\0b", "a\nendmodule\nb",
    "[/red]", "[bold", "%s%n{0}", "{}", "$(id)", "`id`", "\ud800", "\uffff", "\u202e", "🙂", "é" * 200, "x" * 201,
    "x" * 100_000, "__metadata__", "0.weight", "*/ module x; endmodule /*",
)  # fmt: skip

FLOATS = (0.0, -0.0, 1.0, 1.5, -2.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list …"""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def hostile(rng: random.Random) -> Any:
    """Return a value of any JSON type, preferably an extreme one."""
    kind = rng.randrange(8)
    if kind <= 2:
        return rng.choice(INTEGERS)
    if kind == 3:
        return rng.choice(STRINGS)
    if kind == 4:
        return rng.choice(FLOATS)
    if kind == 5:
        return rng.choice((None, True, False))
    if kind == 6:
        return rng.choice(([], {}, [0], [1, 1], [1, 1, 1, 1], [[]], {"": 0}, {"name": "t0"}, ["t0", "t0"], nested(50)))
    return [rng.choice(INTEGERS) for _ in range(rng.randrange(1, 6))]

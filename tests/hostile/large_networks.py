"""Small files that describe large networks: every size agrees with every other, so only limits can refuse them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from hw.graph import Alphabet
from hw.graph.ops.fields import pack_codes
from hw.graph.ops.window import Padding
from tests.hostile.network_files import NetworkFile

_SIZES = (1, 1, 2, 7, 64, 512, 1024, 4096)
_MOST_BYTES = 1 << 23


def large_network(rng: random.Random) -> bytes:
    """Return the file of one to three pools or convolutions with extreme sizes, and logits."""
    header: dict[str, Any] = {"__metadata__": {"format": "shiftforge.s3net", "version": "1"}}
    arrays = bytearray()

    def put(name: str, values: np.ndarray) -> None:
        data = values.tobytes()
        dtype = {"uint8": "U8", "int8": "I8", "int32": "I32"}[str(values.dtype)]
        header[name] = {
            "dtype": dtype,
            "shape": list(values.shape),
            "data_offsets": [len(arrays), len(arrays) + len(data)],
        }
        arrays.extend(data)

    def weight(i: int, shape: tuple[int, ...]) -> dict[str, Any]:
        alphabet = Alphabet.s3(rng.choice((2, 3)))
        count = int(np.prod(shape[1:], dtype=object))
        row = -(-count * alphabet.bits // 8)
        if row * shape[0] <= _MOST_BYTES:
            put(
                f"{i}.weight",
                np.zeros((shape[0], row), np.uint8)
                if rng.random() < 0.5 or count > 1 << 20
                else _ones(shape[0], count, alphabet),
            )
        return {"alphabet": str(alphabet), "weight_shape": list(shape)}

    shape = [rng.choice(_SIZES) for _ in range(3)]
    tensors = [_tensor("t0", shape)]
    nodes: list[dict[str, Any]] = []
    for i in range(rng.randrange(1, 4)):
        op = rng.choice(("Convolution", "MaxPool", "AveragePool", "Concatenation"))
        name, source = f"t{i + 1}", f"t{i}"
        if op == "Concatenation":
            times = rng.choice((2, 3, 16, 4096))
            shape = [shape[0] * times, *shape[1:]]
            nodes.append({"op": op, "name": f"n{i}", "inputs": [source] * times, "output": name})
            tensors.append(_tensor(name, shape))
            continue
        kernel = [rng.choice((1, 2, size, rng.choice(_SIZES))) for size in shape[1:]]
        padding = [rng.choice((0, k - 1, k // 2)) for k in kernel for _ in range(2)]
        stride = [rng.choice((1, 2, 4096)) for _ in range(2)]
        sides = [
            max(1, (size + padding[2 * a] + padding[2 * a + 1] - kernel[a]) // stride[a] + 1)
            for a, size in enumerate(shape[1:])
        ]
        channels = rng.choice(_SIZES) if op == "Convolution" else shape[0]
        fields: dict[str, Any] = {
            "op": op, "name": f"n{i}", "input": source, "output": name, "stride": stride,
            "padding": dict(zip(Padding.__dataclass_fields__, padding, strict=True)),
        }  # fmt: skip
        if op == "Convolution":
            fields |= {"groups": 1, "circular": False, "residual": None}
            fields |= weight(i, (channels, shape[0], *kernel))
        else:
            fields["kernel"] = kernel
        exponent = tensors[-1]["exponent"]
        if op != "MaxPool" and channels <= 1 << 16:
            shift = (kernel[0] * kernel[1] - 1).bit_length() if op == "AveragePool" else 0
            for field in "tjspk":
                put(f"{i}.{field}", np.full(channels, shift if field == "s" else 0, np.int8))
            put(f"{i}.b", np.zeros(channels, np.int32))
        shape = [channels, *sides]
        nodes.append(fields)
        tensors.append({**_tensor(name, shape), "exponent": exponent})
    last = len(nodes)
    classes = rng.choice((1, 10, 1000))
    nodes.append(
        {"op": "Logits", "name": "logits", "input": f"t{last}", "exponent": 0, **weight(last, (classes, *shape))}
    )
    put(f"{last}.bias", np.zeros(classes, np.int32))
    return NetworkFile(header, {"name": "large", "input": "t0", "tensors": tensors, "nodes": nodes}, arrays, []).join()


def _ones(rows: int, count: int, alphabet: Alphabet) -> np.ndarray:
    return pack_codes(np.ones((rows, count), np.uint8), alphabet.bits)


def _tensor(name: str, shape: list[int]) -> dict[str, Any]:
    sizes = dict(zip(("channels", "height", "width"), shape, strict=True))
    return {"name": name, **sizes, "bits": 8, "zero_point": 0, "exponent": 0}

"""A node's fields in a file: JSON types and arrays, taken one by one and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.alphabet import Alphabet
from hw.graph.errors import NetworkError, need
from hw.graph.ops.window import Padding, Tensors
from hw.graph.rescale import RANGES, Rescale
from hw.graph.tensor import MAX_WEIGHTS

Arrays = dict[str, NDArray[Any]]


class Fields:
    """The fields of one JSON object, and the arrays beside it; each is taken exactly once and has the right type.

    Parameters
    ----------
    where : str
        For messages: what the object is.
    fields : object
        The JSON object.
    arrays : dict
        Arrays of the whole file; those of this object begin with ``prefix``. What is taken is removed.
    prefix : str
        Of the arrays' names.
    tensors : mapping
        The tensors of the network.
    """

    def __init__(
        self, where: str, fields: Any, arrays: Arrays | None = None, prefix: str = "", tensors: Tensors | None = None
    ) -> None:
        need(isinstance(fields, dict), f"{where}: must be an object")
        self.where = where
        self.left = dict(fields)
        self.arrays = {} if arrays is None else arrays
        self.prefix = prefix
        self.tensors: Tensors = {} if tensors is None else tensors

    def take(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """Return a field of a type."""
        need(name in self.left, f"{self.where}: field {name} is missing")
        value = self.left.pop(name)
        good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        need(good, f"{self.where}: field {name} has the wrong type")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean that is written down only where it is true."""
        return bool(self.take(name, bool)) if name in self.left else False

    def integers(self, name: str, count: int) -> tuple[int, ...]:
        """Return a list of ``count`` 32-bit integers."""
        value = self.take(name, list)
        good = len(value) == count and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
        need(good and all(abs(v) < 1 << 31 for v in value), f"{self.where}: field {name} must be {count} integers")
        return tuple(value)

    def pair(self, name: str) -> tuple[int, int]:
        """Return two 32-bit integers."""
        first, second = self.integers(name, 2)
        return first, second

    def names(self, name: str, most: int) -> tuple[str, ...]:
        """Return a list of up to ``most`` names of tensors."""
        value = self.take(name, list)
        good = len(value) <= most and all(isinstance(part, str) for part in value)
        need(good, f"{self.where}: field {name} must be names of tensors")
        return tuple(value)

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of a type and shape."""
        key = f"{self.prefix}{name}"
        need(key in self.arrays, f"{self.where}: array {key} is missing")
        value = self.arrays.pop(key)
        need(
            value.dtype == dtype and value.shape == shape,
            f"{self.where}: array {key} is {value.dtype} {value.shape}, expected {np.dtype(dtype)} {shape}",
        )
        return value

    def padding(self) -> Padding:
        """Return the field ``padding``."""
        item = Fields(f"{self.where}: padding", self.take("padding", dict))
        padding = Padding(*(item.take(side, int) for side in ("top", "bottom", "left", "right")))
        item.done()
        return padding

    def weight(self) -> tuple[Alphabet, NDArray[np.int32]]:
        """Return the alphabet and the weight values of the fields of :func:`weight_fields`."""
        text = self.take("alphabet", str)
        alphabet = Alphabet.parse(text)
        if not _stored(alphabet):
            raise NetworkError(
                f"alphabet {text!r}: not one of a layer, supported are s3-2 … s3-5 and dense-2 … dense-4"
            )
        shape = self.integers("weight_shape", 4)
        size = 1
        for n in shape:
            need(1 <= n <= MAX_WEIGHTS, f"{self.where}: weight_shape {shape} must be positive")
            size *= n
        need(size <= MAX_WEIGHTS, f"{self.where}: weight has more than {MAX_WEIGHTS} elements")
        count = size // shape[0]
        row_bytes = -(-count * alphabet.bits // 8)
        packed = self.array("weight", np.uint8, (shape[0], row_bytes))
        codes = unpack_codes(packed, count, alphabet.bits)
        unused = 8 * row_bytes - count * alphabet.bits
        need(
            not (packed[:, -1] >> (8 - unused)).any(),
            f"{self.where}: the padding bits of the weight codes must be 0",
        )
        try:
            return alphabet, alphabet.decode(codes).reshape(shape)
        except NetworkError as error:
            raise NetworkError(f"{self.where}: {error}") from None

    def rescale(self, channels: int) -> Rescale:
        """Return the output formula of the arrays of :func:`rescale_arrays`."""
        fields = [
            self.array(field, np.int32 if field == "b" else np.int8, (channels,)).astype(np.int64) for field in RANGES
        ]
        return Rescale(*fields)

    def channels(self, tensor: str) -> int:
        """Return the channels of a tensor, 0 if there is none of this name."""
        return self.tensors[tensor].channels if tensor in self.tensors else 0

    def done(self) -> None:
        """Raise ``NetworkError`` if a field is left."""
        need(not self.left, f"{self.where}: unknown field {next(iter(self.left), '')!r:.40}")


def padding_field(padding: Padding) -> Mapping[str, int]:
    """Return a padding as JSON types."""
    return asdict(padding)


def weight_fields(name: str, alphabet: Alphabet, weight: NDArray[np.int32]) -> tuple[dict[str, Any], Arrays]:
    """Return the fields and the array of a layer's weight."""
    if not _stored(alphabet):
        raise NetworkError(f"layer {name!r}: weights of the alphabet {alphabet} are for benches only")
    codes = alphabet.encode(weight).reshape(len(weight), -1)
    fields = {"alphabet": str(alphabet), "weight_shape": list(weight.shape)}
    return fields, {"weight": pack_codes(codes, alphabet.bits)}


def rescale_arrays(rescale: Rescale) -> Arrays:
    """Return the arrays of an output formula."""
    return {field: getattr(rescale, field).astype(np.int32 if field == "b" else np.int8) for field in RANGES}


def pack_codes(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack a matrix of codes (rows, n): bits little-endian, every row padded to whole bytes."""
    spread = (codes[:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(spread.reshape(len(codes), -1), axis=1, bitorder="little")


def unpack_codes(packed: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint8]:
    """Return the codes (rows, count) of :func:`pack_codes`."""
    spread = np.unpackbits(packed, axis=1, count=count * bits, bitorder="little")
    placed = spread.reshape(len(packed), count, bits) << np.arange(bits, dtype=np.uint8)
    return np.asarray(placed.sum(axis=2, dtype=np.uint8))


def _stored(alphabet: Alphabet) -> bool:
    """Whether a file may have the alphabet: engines know more, and benches."""
    return alphabet.shifts and alphabet.limit is None

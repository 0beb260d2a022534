"""Weight alphabets: the values that a weight may have, and their codes."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.graph.errors import NetworkError, need


class AlphabetKind(enum.Enum):
    """Which numbers the magnitude codes stand for."""

    S3 = "s3"
    """Sign, sparse, shift: magnitude 0 is the weight 0, magnitude m is ``2^(m-1)``."""

    DENSE = "dense"
    """DenseShift: magnitude m is ``2^m``; there is no zero."""

    INTEGER = "int"
    """Two's complement, which needs multipliers: for rivals in benches, never in a file."""


_NAME = re.compile(r"(s3|dense|int)-([0-9])(?:-max([0-9]{1,5}))?", re.ASCII)
_BITS = {AlphabetKind.S3: (2, 5), AlphabetKind.DENSE: (2, 4), AlphabetKind.INTEGER: (2, 8)}


@dataclass(frozen=True)
class Alphabet:
    """The codes of a layer's weights: the sign in the top bit, the magnitude below it.

    Parameters
    ----------
    kind : AlphabetKind
        With or without zero.
    bits : int
        Width of a code: 2 to 5 (S3), 2 to 4 (DenseShift), 2 to 8 (integers).
    limit : int or None
        Largest shift, where it is less than the code's: an engine's cells may know less than their codes could say.
        ``s3-4-max8`` has all values of ``s3-3`` and ``dense-3``, so its cells run both.

    Raises
    ------
    NetworkError
        If the width or the limit is not supported.
    """

    kind: AlphabetKind
    bits: int
    limit: int | None = None

    def __post_init__(self) -> None:
        least, most = _BITS[self.kind]
        need(
            isinstance(self.bits, int) and least <= self.bits <= most,
            f"alphabet {self.kind.value}: {self.bits} bits, supported are {least} to {most}",
        )
        shifts = (1 << self.bits - 1) - 2
        need(
            self.limit is None or (self.kind is AlphabetKind.S3 and 0 <= self.limit < shifts),
            f"alphabet {self.kind.value}-{self.bits}: shifts up to {self.limit}, a limit is for s3 and below {shifts}",
        )

    @classmethod
    def s3(cls, bits: int, limit: int | None = None) -> Alphabet:
        """Return the S3 alphabet ``0, ±1, ±2 … ±2^(2^(bits-1) - 2)``, or up to ``±2^limit``."""
        return cls(AlphabetKind.S3, bits, limit)

    @classmethod
    def dense(cls, bits: int) -> Alphabet:
        """Return the DenseShift alphabet ``±1, ±2 … ±2^(2^(bits-1) - 1)``."""
        return cls(AlphabetKind.DENSE, bits)

    @classmethod
    def integer(cls, bits: int) -> Alphabet:
        """Return the integers of ``bits`` bits, which a multiplier needs."""
        return cls(AlphabetKind.INTEGER, bits)

    @classmethod
    def parse(cls, text: str) -> Alphabet:
        """Return the alphabet of a name such as ``s3-3``, ``dense-2`` or ``s3-4-max8``."""
        match = _NAME.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise NetworkError(f"alphabet {text!r:.40}: unknown, supported are s3-2 … s3-5 and dense-2 … dense-4")
        kind, bits, largest = match.groups()
        if largest is None:
            return cls(AlphabetKind(kind), int(bits))
        limit = int(largest).bit_length() - 1
        need(int(largest) == 1 << max(limit, 0), f"alphabet {text!r}: {largest} is not a power of two")
        return cls(AlphabetKind(kind), int(bits), limit)

    def __str__(self) -> str:
        name = f"{self.kind.value}-{self.bits}"
        return name if self.limit is None else f"{name}-max{1 << self.limit}"

    @property
    def has_zero(self) -> bool:
        """Whether a weight may be 0."""
        return self.kind is not AlphabetKind.DENSE

    @property
    def shifts(self) -> bool:
        """Whether every weight is a sign and a shift, or 0."""
        return self.kind is not AlphabetKind.INTEGER

    @property
    def max_shift(self) -> int:
        """The largest ``k`` of a value ``±2^k``."""
        if self.limit is not None:
            return self.limit
        if not self.shifts:
            return self.bits - 1
        return (1 << self.bits - 1) - (2 if self.has_zero else 1)

    @property
    def values(self) -> tuple[int, ...]:
        """All values, ascending."""
        if not self.shifts:
            half = 1 << self.bits - 1
            return tuple(range(-half, half))
        magnitudes = [1 << k for k in range(self.max_shift + 1)]
        return tuple(sorted([-v for v in magnitudes] + [0] * self.has_zero + magnitudes))

    @cached_property
    def _decoded(self) -> NDArray[np.int32]:
        """Value of every code; an illegal one has a value that is in no alphabet."""
        half = 1 << self.bits - 1
        magnitude = np.arange(half)
        if not self.shifts:
            return np.concatenate([magnitude, magnitude - half]).astype(np.int32)
        value = (1 << magnitude) >> 1 if self.has_zero else 1 << magnitude
        table = np.concatenate([value, -value]).astype(np.int32)
        if self.has_zero:
            table[half] = np.iinfo(np.int32).max
        table[np.abs(table) > 1 << self.max_shift] = np.iinfo(np.int32).max
        return table

    def encode(self, values: ArrayLike) -> NDArray[np.uint8]:
        """Return the codes of integer weight values; ``NetworkError`` for a value outside the alphabet."""
        weights = np.asarray(values, np.int64)
        order = np.argsort(self._decoded, kind="stable")
        table = self._decoded[order]
        at = np.minimum(np.searchsorted(table, weights), len(table) - 1)
        wrong = table[at] != weights
        if wrong.any():
            raise NetworkError(f"weight {int(weights[wrong].flat[0])} is not in the alphabet {self} {self.values}")
        return order[at].astype(np.uint8)

    def decode(self, codes: ArrayLike) -> NDArray[np.int32]:
        """Return the values of codes; ``NetworkError`` for one that the alphabet lacks, such as minus zero."""
        index = np.asarray(codes)
        fits = not index.size or (index.min() >= 0 and index.max() < len(self._decoded))
        need(bool(fits), f"a weight code does not fit {self.bits} bits")
        values = self._decoded[index]
        wrong = values == np.iinfo(np.int32).max
        if wrong.any():
            code = int(index[wrong].flat[0])
            name = " (minus zero)" if code == 1 << self.bits - 1 else ""
            raise NetworkError(f"weight code {code}{name} is not in the alphabet {self}")
        return np.asarray(values, np.int32)

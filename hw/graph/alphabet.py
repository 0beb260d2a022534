"""Weight alphabets: the values that a weight may have, and their codes."""

from __future__ import annotations

import enum
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


@dataclass(frozen=True)
class Alphabet:
    """The codes of a layer's weights: the sign in the top bit, the magnitude below it.

    Parameters
    ----------
    kind : AlphabetKind
        With or without zero.
    bits : int
        Width of a code: 2 to 5 (S3), 2 to 4 (DenseShift).

    Raises
    ------
    NetworkError
        If the width is not supported.
    """

    kind: AlphabetKind
    bits: int

    def __post_init__(self) -> None:
        most = 5 if self.kind is AlphabetKind.S3 else 4
        need(
            isinstance(self.bits, int) and 2 <= self.bits <= most,
            f"alphabet {self.kind.value}: {self.bits} bits, supported are 2 to {most}",
        )

    @classmethod
    def s3(cls, bits: int) -> Alphabet:
        """Return the S3 alphabet ``0, ±1, ±2 … ±2^(2^(bits-1) - 2)``."""
        return cls(AlphabetKind.S3, bits)

    @classmethod
    def dense(cls, bits: int) -> Alphabet:
        """Return the DenseShift alphabet ``±1, ±2 … ±2^(2^(bits-1) - 1)``."""
        return cls(AlphabetKind.DENSE, bits)

    @classmethod
    def parse(cls, text: str) -> Alphabet:
        """Return the alphabet of a name such as ``s3-3`` or ``dense-2``."""
        kind, _, bits = text.partition("-") if isinstance(text, str) else ("", "", "")
        if kind not in ("s3", "dense") or not (bits.isascii() and bits.isdigit() and len(bits) == 1):
            raise NetworkError(f"alphabet {text!r:.40}: unknown, supported are s3-2 … s3-5 and dense-2 … dense-4")
        return cls(AlphabetKind(kind), int(bits))

    def __str__(self) -> str:
        return f"{self.kind.value}-{self.bits}"

    @property
    def has_zero(self) -> bool:
        """Whether a weight may be 0."""
        return self.kind is AlphabetKind.S3

    @property
    def max_shift(self) -> int:
        """The largest ``k`` of a value ``±2^k``."""
        return (1 << self.bits - 1) - (2 if self.has_zero else 1)

    @property
    def values(self) -> tuple[int, ...]:
        """All values, ascending."""
        magnitudes = [1 << k for k in range(self.max_shift + 1)]
        return tuple(sorted([-v for v in magnitudes] + [0] * self.has_zero + magnitudes))

    @cached_property
    def _decoded(self) -> NDArray[np.int32]:
        """Value of every code; the illegal one has a value that is in no alphabet."""
        half = 1 << self.bits - 1
        magnitude = np.arange(half)
        value = (1 << magnitude) >> 1 if self.has_zero else 1 << magnitude
        table = np.concatenate([value, -value]).astype(np.int32)
        if self.has_zero:
            table[half] = np.iinfo(np.int32).max
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
        """Return the values of codes; ``NetworkError`` for the code that has only the sign bit (with zero)."""
        index = np.asarray(codes, np.int64)
        need(
            bool((index >= 0).all() and (index < len(self._decoded)).all()),
            f"a weight code does not fit {self.bits} bits",
        )
        values = self._decoded[index]
        if self.has_zero and (values == np.iinfo(np.int32).max).any():
            raise NetworkError(f"weight code {1 << self.bits - 1} (minus zero) is not in the alphabet {self}")
        return values

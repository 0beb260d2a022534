"""Widths of products and column sums, from the alphabet and the activations alone."""

from __future__ import annotations

from hw.graph import Alphabet


def product_bits(activation_bits: int, alphabet: Alphabet) -> int:
    """Width in bits of the magnitude of one product of a shift-add cell."""
    return activation_bits + alphabet.max_shift


def signed_width(low: int, high: int) -> int:
    """Least width in bits of a two's complement number that holds ``low`` and ``high``."""
    return max((high if high >= 0 else ~high).bit_length(), (~low if low < 0 else low).bit_length()) + 1


def sum_width(activation_bits: int, alphabet: Alphabet, rows: int) -> int:
    """Width in bits of the sum of ``rows`` products, which may be one too low for every row.

    See :func:`~hw.systolic.processing_element.borrow`.
    """
    most = rows * ((1 << activation_bits) - 1)
    borrows = rows if alphabet.shifts else 0
    return signed_width(most * alphabet.values[0] - borrows, most * alphabet.values[-1])

"""Where the decisions of a random network come from, and how they are written down in one word."""

from __future__ import annotations

import base64
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Chooser(ABC):
    """Makes decisions; every one is a number in a range."""

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """Return a number from ``low`` to ``high``, both included."""

    def choice(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.integer(0, len(options) - 1)]

    def generator(self) -> np.random.Generator:
        """Return a generator for numbers that need not be decided one by one."""
        return np.random.default_rng(self.integer(0, 2**32 - 1))


class SeededChooser(Chooser):
    """Decisions from numpy's generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def generator(self) -> np.random.Generator:
        return self.rng


class DrawnChooser(Chooser):
    """Decisions from hypothesis, so that what fails shrinks."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


class RecordingChooser(Chooser):
    """Another chooser's decisions, of which ``word`` keeps a record."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.made: list[int] = []

    def integer(self, low: int, high: int) -> int:
        value = self.chooser.integer(low, high)
        self.made.append(value - low)
        return value

    @property
    def word(self) -> str:
        """The decisions so far in letters, digits, ``-`` and ``_``; :class:`RepeatingChooser` makes them again."""
        coded = bytearray()
        for number in self.made:
            while number > 127:
                coded.append(128 | number & 127)
                number >>= 7
            coded.append(number)
        return base64.urlsafe_b64encode(zlib.compress(bytes(coded), 9)).decode().rstrip("=")


class RepeatingChooser(Chooser):
    """The decisions of a :attr:`RecordingChooser.word`; ``ValueError`` if it is damaged."""

    def __init__(self, word: str) -> None:
        try:
            coded = zlib.decompress(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        except (ValueError, zlib.error) as error:
            raise ValueError(f"the word {word[:20]!r}… is damaged") from error
        self.left: list[int] = []
        number = shift = 0
        for byte in coded:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                self.left.append(number)
                number = shift = 0

    def integer(self, low: int, high: int) -> int:
        if not self.left or low + self.left[0] > high:
            raise ValueError("the word is from another state of the tests: its decisions do not fit")
        return low + self.left.pop(0)

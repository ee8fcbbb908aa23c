"""Where the rules' choices come from: Hypothesis' data or a seeded generator, behind one small Protocol."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choose(Protocol):
    """A source of choices. The first alternative is the simplest: Hypothesis shrinks towards it."""

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        ...


class Drawn:
    """Choices drawn by Hypothesis, so that a failure shrinks."""

    def __init__(self, data: st.DataObject) -> None:
        """`data` is the running test's."""
        self._data = data

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        return self._data.draw(st.integers(0, bound - 1))


class Seeded:
    """Choices of a seeded generator, as fast as it gets."""

    def __init__(self, seed: int) -> None:
        """The same seed makes the same choices."""
        self._random = random.Random(seed).random

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        return int(self._random() * bound)


def pick(choose: Choose, among: Sequence[T]) -> T:
    """One of a sequence that is not empty."""
    return among[choose.below(len(among))]


def seldom(choose: Choose, percent: int) -> bool:
    """True in `percent` of a hundred; False is the simple case."""
    return choose.below(100) >= 100 - percent

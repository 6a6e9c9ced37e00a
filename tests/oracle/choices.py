"""Choices read off a string of bytes, so that drawing a whole case is one draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Choices:
    """Choices read off bytes, one each; when they have run out, every choice is the first."""

    def __init__(self, entropy: bytes) -> None:
        self._bytes = iter(entropy)

    def below(self, count: int) -> int:
        """Return a number from 0 to count - 1; count is at most 256."""
        return next(self._bytes, 0) * count >> 8

    def chance(self, percent: int) -> bool:
        """Whether something that happens so often happens; not, when the bytes have run out."""
        return next(self._bytes, 0) * 100 >= (100 - percent) * 256

    def one_of(self, options: Sequence[_T]) -> _T:
        """Return one of several options, all as likely."""
        return options[self.below(len(options))]

    def weighted(self, *options: tuple[int, _T]) -> _T:
        """Return one of several options, each as likely as its weight; the weights sum up to 100."""
        at = next(self._bytes, 0) * 100 >> 8
        for weight, option in options:
            if at < weight:
                return option
            at -= weight
        return options[-1][1]

"""Millions of 64-bit numbers, each with a word, in little memory."""

from __future__ import annotations

import numpy as np

_RECENT = 1 << 15


class Remembered:
    """Numbers that were told, each with the word that it was first told with; at most 256 different words.

    Takes 9 bytes a number and a few megabytes, where a dictionary or set takes over 100 bytes: new numbers stand in a
    dictionary until there are `recent` of them, which are then merged into a sorted array.
    """

    def __init__(self, recent: int = _RECENT) -> None:
        self._most_recent = recent
        self._recent: dict[int, int] = {}
        self._numbers = np.zeros(0, np.uint64)
        self._codes = np.zeros(0, np.uint8)
        self._words: list[str] = []

    def before(self, number: int, word: str = "") -> str | None:
        """The word that a number was told with before; None where it is new, and from now on it has this `word`."""
        code = self._recent.get(number)
        if code is None:
            at = int(self._numbers.searchsorted(np.uint64(number)))
            if at < self._numbers.size and int(self._numbers[at]) == number:
                code = int(self._codes[at])
        if code is not None:
            return self._words[code]
        if word not in self._words:
            self._words.append(word)
        self._recent[number] = self._words.index(word)
        if len(self._recent) >= self._most_recent:
            self._merge()
        return None

    def _merge(self) -> None:
        numbers = np.fromiter(self._recent, np.uint64, len(self._recent))
        codes = np.fromiter(self._recent.values(), np.uint8, len(self._recent))
        order = np.argsort(numbers)
        where = np.searchsorted(self._numbers, numbers[order])
        self._numbers = np.insert(self._numbers, where, numbers[order])
        self._codes = np.insert(self._codes, where, codes[order])
        self._recent.clear()

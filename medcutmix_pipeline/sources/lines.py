"""Lines of a text, some of which can be read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Lines:
    """Lines of text that remembers what it gave since the last mark and can take all but the first of them back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._given: list[str] = []
        self._again: list[str] = []
        self.first = 1

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self._given.append(line)
        return line

    def mark(self) -> None:
        """A record ends here."""
        self.first += len(self._given)
        self._given.clear()

    def take_back(self) -> None:
        """Give all lines since the mark but the first again."""
        self._again.extend(reversed(self._given[1:]))
        del self._given[1:]

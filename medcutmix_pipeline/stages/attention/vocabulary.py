"""Words to numbers for the fitted encoder: a small vocabulary of its own, safe to publish with the weights."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.stages.attention.statements import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

PAD, UNKNOWN = 0, 1
_FIRST = 2
_MIN_PATIENTS = 3
MAX_WORDS = 48
"""Words of a sentence that are read; the rest is cut and counted."""


class Vocabulary:
    """The words that an encoder knows, in alphabetical order; every other word is read as unknown."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._number = {word: n for n, word in enumerate(self.words, _FIRST)}

    @classmethod
    def learn(cls, sentences: Iterable[tuple[str, str]]) -> Vocabulary:
        """From (patient, sentence) pairs.

        Only words of ASCII letters that occur with at least three patients get in, so that no name, number or date of a
        patient is stored with the weights.
        """
        patients: dict[str, set[str]] = defaultdict(set)
        for patient, sentence in sentences:
            for word in words_of(sentence):
                patients[word].add(patient)
        return cls(sorted(w for w, who in patients.items() if len(who) >= _MIN_PATIENTS and w.isascii()))

    def __len__(self) -> int:
        """Rows that an embedding of this vocabulary needs, padding and unknown included."""
        return len(self.words) + _FIRST

    def encode(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """Word numbers, int64 [sentences, longest], padded with PAD; a sentence without words is one unknown word."""
        rows = [[self._number.get(w, UNKNOWN) for w in words_of(s)[:MAX_WORDS]] or [UNKNOWN] for s in sentences]
        out = np.full((len(rows), max((len(r) for r in rows), default=1)), PAD, np.int64)
        for row, numbers in zip(out, rows, strict=True):
            row[: len(numbers)] = numbers
        return out


def cut_short(sentences: Sequence[str]) -> int:
    """How many of the sentences are longer than what is read of them."""
    return sum(len(words_of(s)) > MAX_WORDS for s in sentences)

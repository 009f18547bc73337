"""Notes of who was told what, which de-identification leaves behind and mixing must not carry."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings, split_phrase

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

_COMMON = frozenset(
    ("findings", "finding", "report", "reviewed", "study", "examination", "image", "images", "film", "results")
)
_APART = {ord(mark): " " for mark in string.punctuation}


class NoteFilter:
    """Tells notes about people from sentences about the image."""

    def __init__(self, layers: Layers) -> None:
        self._notes: PhraseTree[bool] = PhraseTree()
        keys = set()
        for layer in layers:
            for phrase in layer.wording.notes:
                self._notes.add(phrase.lower(), True)
                for spelling in spellings(phrase.lower()):
                    words = split_phrase(spelling)
                    keys.add(max((word for word in words if word not in _COMMON), key=len, default=words[0]))
        self._keys = frozenset(keys)

    def any_note(self, text: str) -> bool:
        """Whether a note is possible at all; cheap, and most often false."""
        return not self._keys.isdisjoint(text.lower().translate(_APART).split())

    def is_note(self, sentence: str) -> bool:
        """Whether the sentence is a note: "Findings were discussed with Dr. ___ by telephone"."""
        return bool(self._notes.find(split_phrase(sentence)))

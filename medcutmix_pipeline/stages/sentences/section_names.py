"""The names of a report's sections, and what stands under each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

Kind = Literal["findings", "impression", "fallback", "leave_out", "report", "views"]
"""`report`: text under no header that says more; `fallback`: kept where there is nothing else."""

KINDS: tuple[Kind, ...] = ("findings", "impression", "fallback", "leave_out", "report")
SPOKEN = ("findings", "impression")
LONGEST_HEADER = 80
MARKS = " *#=_-\t\r"
"""What may stand around a header: blanks, and what is typed to make it stand out."""

_FILMS = frozenset(("chest", "thorax", "cxr", "radiograph", "radiographs", "film", "x-ray", "x-rays"))
_WORDS = re.compile(r"[a-z0-9_]+(?:-[a-z]+)?")
_SPACE = re.compile(r"\s+")
_COUNTED = re.compile(r"(?:\s*+\([^()]*+\)|\s*+#?\s*+\d[\d./-]*+|\.)++$")  # ADDENDUM #1, FINDINGS (CHEST), IMP.
_JOINED = re.compile(r"\s*(?:[/&,+]|\band\b)\s*")


class SectionNames:
    """Knows the names of sections, and headers that name the views: CHEST, AP."""

    def __init__(self, layers: Layers) -> None:
        self.known: dict[str, Kind] = {}
        for layer in layers:
            for kind in KINDS:
                for name in getattr(layer.sections, kind):
                    self.known.setdefault(name.lower(), kind)
        self.longest = max(map(len, self.known), default=0)
        self.asides = frozenset(name.lower() for layer in layers for name in layer.sections.asides)
        self.details = frozenset(name.lower() for layer in layers for name in layer.sections.details)
        self._views = frozenset(word.lower() for layer in layers for word in layer.sections.views)

    def kind_of(self, name: str) -> Kind | None:
        """What a header's words say; None where they are no header."""
        kind = self.known.get(name.lower())
        if kind is not None:
            return kind
        plain = plain_name(name)
        if not plain:
            return None
        return self.named(plain) or ("views" if self.names_views(plain) else None)

    def named(self, plain: str) -> Kind | None:
        """The kind of a known name, also with a number or a remark in brackets, or of several: history/indication."""
        kind = self.known.get(plain) or self.known.get(_COUNTED.sub("", plain))
        if kind is not None or len(plain) > LONGEST_HEADER:
            return kind
        parts = _JOINED.split(plain)
        kinds = [self.known.get(part) for part in parts] if len(parts) > 1 else [None]
        if None in kinds:
            return None
        return next((kind for kind in KINDS if kind in kinds), None)

    def names_views(self, plain: str) -> bool:
        """Whether all words are of views, numbers or place-holders: "chest, ap and lateral, 2 views"."""
        words = _WORDS.findall(plain)
        if _FILMS.isdisjoint(words):
            return False
        return all(word in self._views or word.isdigit() or word[0] == "_" for word in words)


def plain_name(name: str) -> str:
    """A header's words in lower case, without what is typed around them."""
    return _SPACE.sub(" ", name).strip(MARKS).lower()

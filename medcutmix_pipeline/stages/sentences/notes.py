"""Notes of who was told what, which de-identification leaves behind and mixing must not carry."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.engine import shared_engine
from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings, split_phrase, split_words

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

_COMMON = frozenset(
    ("findings", "finding", "report", "reviewed", "study", "examination", "image", "images", "film", "results")
)
_APART = "".join(" " if chr(code) in string.punctuation else chr(code) for code in range(128))
"""What `translate` makes of each ASCII character: marks become spaces. It leaves other characters as they are."""
_RUN = re.compile(r"\S+")
# Where a note that is hung on to a statement begins: "…, as noted by", "… which was discussed with", "… (called to".
_JOINT = re.compile(
    r"[,;(\[]|\s[-–—](?=\s)|\b(?:which|that)(?= ?$| (?:is|are|was|were|has|have|had)\b)|\bas(?=(?: \w+){0,3} ?$)"
)
_LINKS = re.compile(
    r"(?:[\s,;:(\[–—-]+(?:and|was|were|is|are|been|being|has|have|had|be|to|with|from|of|the|this|these|it|all|also|"
    r"already|findings?|results?|report|immediately|directly|personally|verbally|stat|urgently|per|by|"
    r"(?:seen|noted|called|reported|discussed|communicated|described|interpreted|reviewed|confirmed) (?:to|by|with)))*"
    r"[\s,;:(\[–—-]*$",
    re.I,
)
_LONGEST_LINK = 120
_ASKS = frozenset(("if", "should", "for", "please", "when", "once", "unless", "in", "to", "any", "given", "as", "per"))
"""A note that begins so says what to do, not what is seen: "If a pneumothorax is suspected, please call"."""
_TURNS = frozenset(("but", "however", "although", "though", "no", "not", "resolved", "gone", "cleared", "excluded"))
"""What behind a note may take back what was said before it."""
# What somebody was told, where the note itself says it: "I called Dr. X to inform her of a large pneumothorax". What is
# spoken of as known ("of the pneumothorax") is said elsewhere.
_TOLD = re.compile(
    r"\b(?:told|inform(?:ed|ing)?|notif(?:y|ied|ying)|alerted|aware|called|paged|contacted)\b[^:;]{0,80}?"
    r"(?:\b(?:of|about|regarding|with (?:the )?(?:findings?|results?) of|that there (?:is|was|are|were))\s+"
    r"(?:the (?:presence|finding|development) of\s+)?"
    r"(?!(?:the|this|these|that|those|all|our|above|findings?|results?)\b)"
    r"|:\s+(?=\S))",
    re.I,
)
_TOLD_HOW = re.compile(
    r"(?:[,(] ?| |^)\b(?:by|via|over the|in person|immediately|shortly|\w+ minutes?|at (?:the )?time"
    r"|on (?:the )?(?:tele)?phone|who|and (?:he|she|they|the|was|were|will|read))\b.*",
    re.I,
)
_NAME = re.compile(r"(?<=\s)[A-Z][a-z]|_")


class NoteFilter:
    """Tells notes about people from sentences about the image."""

    def __init__(self, layers: Layers) -> None:
        self._notes: PhraseTree[bool] = PhraseTree()
        self._engine = shared_engine(layers)
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

    def without_note(self, sentence: str) -> str:
        """The sentence as far as it says what is seen; "" where all of it is a note.

        "Small pneumothorax, discussed with Dr. ___ by telephone." leaves "Small pneumothorax."
        """
        words, places = _placed(sentence)
        notes = self._notes.find(words)
        if not notes:
            return sentence
        first = notes[0][0]
        said = words[:first]
        hits = self._engine.find(said)
        if not hits:
            return self._told(sentence, words)
        if not _TURNS.isdisjoint(words[notes[-1][1] :]) or next((word for word in said if word.isalpha()), "") in _ASKS:
            return ""
        note = places[first][0]
        joints = list(_JOINT.finditer(sentence, max(places[hit.end - 1][1] for hit in hits), note))
        behind = "."
        if joints:
            note = joints[-1].start()
            if joints[-1].group() in "([":
                behind = self._behind_bracket(sentence, note)
        end = max(0, note - _LONGEST_LINK)
        kept = sentence[:end] + _LINKS.sub("", sentence[end:note]) + behind
        assertions = self._assertions(split_phrase(kept))
        same = len(assertions) >= len(hits) and assertions == self._assertions(words)[: len(assertions)]
        return kept if same else ""

    def _told(self, sentence: str, words: tuple[str, ...]) -> str:
        """The finding that somebody was told of, as a sentence; "" where there is none or it is named elsewhere."""
        told = _TOLD.search(sentence)
        if told is None or words[0] in _ASKS or not self._engine.find(words):
            return ""
        kept = _TOLD_HOW.sub("", sentence[told.end() :]).rstrip(" .")
        if kept.isupper():  # a name would not be told apart
            own, places = _placed(kept)
            kept = kept[: max((places[hit.end - 1][1] for hit in self._engine.find(own)), default=0)]
        own = split_phrase(kept)
        if not kept or _NAME.search(kept) or self._notes.find(own):
            return ""
        same = self._assertions(own) == self._assertions(words)
        return f"{kept[0].upper()}{kept[1:]}." if same and self._engine.find(own) else ""

    def _assertions(self, words: tuple[str, ...]) -> list[tuple[str, str]]:
        hits = self._engine.find(words)
        return [
            (hit.finding, verdict.assertion)
            for hit, verdict in zip(hits, self._engine.decide(words, hits), strict=True)
        ]

    def _behind_bracket(self, sentence: str, at: int) -> str:
        """What follows the bracket that opens at `at`, unless it has a note of its own."""
        close = sentence.find(")" if sentence[at] == "(" else "]", at)
        rest = sentence[close + 1 :] if close >= 0 else ""
        return "." if self._notes.find(split_phrase(rest)) else rest or "."


def _placed(sentence: str) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """The words of a sentence and where each begins and ends."""
    found = [
        (word, run.start() + start, run.start() + end)
        for run in _RUN.finditer(sentence)
        for word, start, end in split_words(run.group())
    ]
    return tuple(word for word, _, _ in found), [(start, end) for _, start, end in found]

"""What de-identification leaves behind and mixing must not carry: dates, times, names, notes of who was told what."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings, split_phrase

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:\d{1,4}[/-]\d{1,2}[/-]\d{2,4}|\d{1,2}/(?:19|20)\d\d"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d|\d{{1,2}} {_MONTH},? (?:19|20)\d\d|{_MONTH},? (?:19|20)\d\d)"
)
_NOON = r" ?[ap]\.?m\b(?:\.(?! ?[A-Z]|$))?"
_TIME = rf"(?:\d{{1,2}}:\d\d(?::\d\d)?(?:{_NOON})?(?: hours)?|\d{{1,2}}{_NOON})"
_HIDDEN = r"(?:_{2,}|\bXXXX\b)(?:,? (?:19|20)\d\d\b)?"
_WHEN = rf"(?:{_DATE}|{_HIDDEN})(?:,? (?:at )?(?:{_TIME}))?"
_STUDY = r"(?:study|studies|exams?|examinations?|radiographs?|films?|x-rays?|ct|images?|priors?|comparison)"

_HIDDEN_RULES = (
    (re.compile(rf"\b({_STUDY}),? (?:dated|of|from|on|performed on|obtained on|done on) {_WHEN}", re.I), r"\1"),
    (
        re.compile(
            rf"\b(compared (?:to|with)|since|unchanged from) {_HIDDEN}(?:,? (?:at )?{_TIME})?(?=[,.;:]|$)", re.I
        ),
        r"\1 prior",
    ),
)
_DATE_RULES = (
    _HIDDEN_RULES[0],
    (
        re.compile(
            rf"\b(compar(?:ed|ison)(?: is made)? (?:to|with)|since|unchanged from|from) {_DATE}(?:,? (?:at )?{_TIME})?",
            re.I,
        ),
        r"\1 prior",
    ),
    (re.compile(rf",? ?\b(?:dated|on|of|at|performed on|obtained on) {_DATE}(?:,? (?:at )?{_TIME})?", re.I), ""),
    (re.compile(rf",? ?\bat (?:approximately )?{_TIME}", re.I), ""),
    (re.compile(rf"\b{_DATE}", re.I), "___"),
)
_HIDDEN_SIGNS = ("XXXX", "__")
_BEFORE_DATE = ("dated ", " of ", " from ", " on ", " to ", " with ", "since ")
_ANY_DATE = re.compile(r"\d(?:[/:-]\d| ?[apAP]\.?[mM]\b|\d{3}\b)")
_COMMON = frozenset(
    ("findings", "finding", "report", "reviewed", "study", "examination", "image", "images", "film", "results")
)
_APART = {ord(mark): " " for mark in string.punctuation}


class NoteFilter:
    """Tells notes about people from sentences about the image, and takes dates out of the latter."""

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

    def without_dates(self, text: str) -> str:
        """The text without dates and times and their prepositions; a bare date leaves a place-holder."""
        if _hides_date(text):
            text = _replaced(text, _HIDDEN_RULES)
        if _ANY_DATE.search(text):
            text = _replaced(text, _DATE_RULES)
        return text


def _hides_date(text: str) -> bool:
    """Whether a place-holder stands where a date would."""
    for sign in _HIDDEN_SIGNS:
        at = text.find(sign)
        while at >= 0:
            if text.endswith(_BEFORE_DATE, 0, at):
                return True
            at = text.find(sign, at + 1)
    return False


def _replaced(text: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text

"""Sentence boundaries of a section: rules for radiology's abbreviations, lists, decimals and question marks."""

from __future__ import annotations

import re
from functools import lru_cache

_CANDIDATE = re.compile(r"[.!?\n]")
_STOP = re.compile(r"""[.!?]+["'”’)\]]*(?:\s+\.+)*""")
_BREAK = re.compile(r"\n[ \t]*(?:\n|[-*•·]\s)")
_ITEM = re.compile(r"(?<=\s)\d{1,2}[.)](?=\s)")
_MARKER = re.compile(r"\s*(?:\(?(\d{1,2})[.)]|[-*•·])\s+")
_NEVER = frozenset(
    (
        "vs", "dr", "drs", "mr", "mrs", "ms", "prof", "st", "approx", "ca", "cf", "fig", "figs", "e.g", "i.e", "eg",
        "ie", "resp", "nos", "incl", "dept", "esp", "evid", "sig", "poss", "prob", "susp", "ques", "quest", "sm", "lg",
        "assoc",
    )
)  # fmt: skip
_ATTRIBUTES = frozenset(
    (
        "rt", "lt", "bilat", "mod", "min", "max", "mult", "ant", "post", "lat", "inf", "sup", "prox", "dist", "incr",
        "decr", "subseg", "pulm", "vasc", "mediast",
    )
)  # fmt: skip
_NOUNS = frozenset(("cm", "mm", "pt", "pts", "neg", "pos", "hx", "abd", "atel", "consol", "infilt", "effus", "diaph"))
"""These may end a sentence, as attributes may too: "Effusion on the rt. Heart enlarged."."""
_SHORT = _NEVER | _ATTRIBUTES | _NOUNS
_GO_ON = frozenset(
    (
        "above",
        "below",
        "from",
        "in",
        "at",
        "to",
        "proximal",
        "distal",
        "x",
        "by",
        "and",
        "or",
        "of",
        "for",
        "with",
        "is",
    )
)
_BEFORE_SIDE = re.compile(r"\b(?:(?:on|at|in)(?: the)?|is|are|and|to) \w+$", re.I)
_TOLD_APART = {"evid", "sig", "poss", "prob", "susp", "ques", "quest", "sm", "lg", "assoc"} | _ATTRIBUTES | _NOUNS
_POINT = re.compile(rf"(?:\b(?i:{'|'.join(sorted(_TOLD_APART))})(?=\. +\S)|\b[LR](?=\. +[a-z]))\.")
_INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]$|^[A-Z]$")
_TAIL = 4
_SLOW_TAILS = frozenset(word[-_TAIL:] for word in _SHORT if len(word) >= _TAIL)
"""Ends of words behind which a full stop has to be looked at closely."""
LOOK_BACK = 24
REMEMBERED_LENGTH = 4000
"""Sections up to this length are remembered for a while: cleaning splits them, and reading does so again."""


def marker_end(text: str, start: int, end: int) -> int:
    """Where the sentence proper begins behind a list marker such as "2." or "-"; `start` where there is none."""
    if text[start].isalpha():
        return start
    match = _MARKER.match(text, start, end)
    return match.end() if match and match.end() < end else start


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """The spans of the sentences in `text[start:end]`, without the white space around them.

    A list marker stays with its item. "vs.", "p.m.", "Dr.", decimals and a query ("? pneumonia") end no sentence; a
    full stop without a space behind it does where a capital follows ("PTX.No effusion"), and so does the next number of
    a running list whose items have no full stop. Time linear in the text.
    """
    body = text[start:end]
    start += len(body) - len(body.lstrip())
    body = body.strip()
    spans = _remembered(body) if len(body) <= REMEMBERED_LENGTH else _split(body)
    return [(start + first, start + last) for first, last in spans] if start else list(spans)


def _split(text: str) -> tuple[tuple[int, int], ...]:
    stop = len(text)
    spans: list[tuple[int, int]] = []
    begin = _skip_space(text, 0, stop)
    number = _number_at(text, begin, stop, 0)
    candidates = [match.start() for match in _CANDIDATE.finditer(text)]
    if number:
        candidates = sorted({*candidates, *(match.start() for match in _ITEM.finditer(text))})
    for at in candidates:
        if at < begin:
            continue
        cut = _cut(text, begin, at, stop, number)
        if cut is None:
            continue
        _append(spans, text, begin, cut)
        begin = _skip_space(text, cut, stop)
        number = _number_at(text, begin, stop, number)
    _append(spans, text, begin, stop)
    return tuple(spans)


_remembered = lru_cache(maxsize=1 << 13)(_split)


def forget_sections() -> None:
    """Empty the memory of sections."""
    _remembered.cache_clear()


def _cut(text: str, begin: int, at: int, stop: int, number: int) -> int | None:
    """Where the sentence that began at `begin` ends because of what stands at `at`; None where it goes on."""
    mark = text[at]
    if mark == "." and at - begin > _TAIL and _plain_stop(text, at):
        return at + 1
    if mark == "\n":
        return at if _BREAK.match(text, at) else None
    if mark.isdigit():
        found = _ITEM.match(text, at)
        return at if found and number > 0 and int(found.group()[:-1]) == number + 1 and at > begin else None
    match = _STOP.match(text, at)
    after = match.end() if match else at + 1
    if mark == ".":
        return after if _full_stop(text, begin, at, after, stop) else None
    if mark == "?":
        return after if _question(text, begin, at, after, stop) else None
    return after if after >= stop or text[after].isspace() else None


def _plain_stop(text: str, at: int) -> bool:
    """Whether the full stop is one beyond doubt: a word of some letters before it, a space and a word behind it."""
    if text[at + 1 : at + 2] != " " or not text[at + 2 : at + 3].isalnum():
        return False
    tail = text[at - _TAIL : at]
    return tail.isalpha() and tail.lower() not in _SLOW_TAILS


def _full_stop(text: str, begin: int, at: int, after: int, stop: int) -> bool:
    if after >= stop:
        return True
    floor = max(begin, at - LOOK_BACK)
    word = text[max(text.rfind(" ", floor, at), text.rfind("(", floor, at), floor - 1) + 1 : at]
    if word.isdigit() and at - len(word) == begin and len(word) < 3:
        return False  # the marker of a list item
    following = text[after]
    if not following.isspace():
        return following.isupper() and len(word) > 1 and word[-1].isalpha() and not _INITIALS.search(word)
    upcoming = _skip_space(text, after, stop)
    if _INITIALS.search(word):
        side = len(word) > 1 or (word in "LR" and _BEFORE_SIDE.search(text, floor, at) is not None)
        return side and upcoming < stop and text[upcoming].isupper()
    short = word.lower()
    return short not in _SHORT or (short not in _NEVER and _ends(text, begin, at, upcoming, short))


def _ends(text: str, begin: int, at: int, upcoming: int, short: str) -> bool:
    """Whether an abbreviation that may end a sentence does, judged by what follows: "Small rt. effusion" goes on."""
    following = text[upcoming : upcoming + LOOK_BACK].split(None, 1)[0].strip(",.;:()") if upcoming < len(text) else ""
    if not following or not following[0].isalpha():
        return True
    if following[0].islower() or following.lower() in _GO_ON:
        return False
    shouted = len(following) > 1 and following.isupper()
    if short in _NOUNS or not shouted:
        return True
    return _BEFORE_SIDE.search(text, max(begin, at - LOOK_BACK), at) is not None


def without_points(sentence: str) -> str:
    """The sentence without full stops behind abbreviations; they would end what "no" denies: "No sig. effusion"."""
    return _POINT.sub(lambda match: match.group()[:-1], sentence) if ". " in sentence else sentence


def _question(text: str, begin: int, at: int, after: int, stop: int) -> bool:
    if after >= stop:
        return at > begin
    if at == begin or text[at - 1].isspace() or text[at - 1] == "(":
        return False
    upcoming = _skip_space(text, after, stop)
    return text[after].isspace() and upcoming < stop and not text[upcoming].islower()


def _number_at(text: str, begin: int, stop: int, number: int) -> int:
    """The number of the list item that begins here, or the one before it where the item has several sentences."""
    if begin < stop and text[begin].isalpha():
        return number
    match = _MARKER.match(text, begin, stop)
    return int(match.group(1)) if match and match.group(1) else number


def _skip_space(text: str, at: int, stop: int) -> int:
    while at < stop and text[at].isspace():
        at += 1
    return at


def _append(spans: list[tuple[int, int]], text: str, begin: int, end: int) -> None:
    while end > begin and text[end - 1].isspace():
        end -= 1
    if end > begin and (text[begin].isalnum() or any(character.isalnum() for character in text[begin:end])):
        spans.append((begin, end))

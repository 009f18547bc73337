"""Takes out dates and times, which de-identification may leave behind and mixing must not carry."""

from __future__ import annotations

import re

_NAMES = (
    "January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December",
    "Sept", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_POINT = r"(?:\.(?= ?[\d,]| (?-i:[a-z])))?"  # of an abbreviation, not of the sentence
_MONTH = rf"(?:{'|'.join(_NAMES)}|May)(?![a-z]){_POINT}"
# Where no year stands beside it, "may" is a month only if it is written as one.
_WRITTEN_MONTH = rf"(?-i:(?:{'|'.join((*_NAMES, *map(str.upper, _NAMES)))}|May)(?![A-Za-z])){_POINT}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NTH = rf"{_DAY}(?:st|nd|rd|th)?"
_NUMBERED_MONTH = r"(?:0?[1-9]|1[0-2])"
_CENTURY = r"(?:19|20)\d\d"
_SLASHED = rf"(?:{_DAY}/{_NUMBERED_MONTH}|{_NUMBERED_MONTH}/{_DAY})"
_HYPHENED = rf"(?:{_DAY}-{_NUMBERED_MONTH}|{_NUMBERED_MONTH}-{_DAY})"
_NO_MORE = r"(?![\d/]|[.-]\d)"
_NO_MEASURE = r"(?! ?(?:cm|mm|x|%|of|ths?|hours?|days?|weeks?|months?|years?)\b)"

_FULL = (
    rf"(?:{_CENTURY}[/.-]{_NUMBERED_MONTH}[/.-]{_DAY}|{_CENTURY}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rf"|\d{{1,2}}[/.-]\d{{1,2}}[/.-]{_CENTURY}|{_SLASHED}/\d\d|{_HYPHENED}-\d\d|\d\d\.\d\d\.\d\d"
    rf"|{_NUMBERED_MONTH}[/-]{_CENTURY}"
    rf"|{_NTH}(?:[ ./-]| of )?{_MONTH}(?:(?:[ ./-]|, ?)?{_CENTURY}|[./-]\d\d| ?['’]\d\d)"
    rf"|{_MONTH}(?:[ -]?{_NTH}(?:, ?|[ -]))?(?:,? | of |[-/])?(?:{_CENTURY}|['’]\d\d)){_NO_MORE}"
)
_NO_YEAR = rf"(?:{_WRITTEN_MONTH}[ -]{_NTH}|{_NTH}(?:[ -]| of ){_WRITTEN_MONTH}){_NO_MORE}{_NO_MEASURE}"
_DATE = rf"(?:{_FULL}|{_NO_YEAR})"
_FRACTION = r"(?!(?:1/[2-9]|2/[35]|3/[45]|4/5)(?!\d))"
_IN_PLACE = rf"(?:{_DATE}|{_FRACTION}{_SLASHED}{_NO_MORE}{_NO_MEASURE})"
"""What is a date behind "on" or "from"; behind "compared to", more is."""
_IN_COMPARISON = (
    rf"(?:{_DATE}|(?:{_SLASHED}|{_HYPHENED}){_NO_MORE}{_NO_MEASURE}"
    rf"|{_NTH}[ -]MAY\b(?! (?:be|have|represent|reflect|suggest|indicate)))"
)

_NOON = r" ?[ap]\.?m\b(?:\.(?! ?(?-i:[A-Z])|$))?"
_MILITARY = r"(?:[01]\d|2[0-3])[0-5]\d ?(?:hours|hrs?)\b"
_TIME = rf"(?:\d{{1,2}}:\d\d(?::\d\d)?(?:{_NOON})?(?: hours)?|\d{{1,2}}{_NOON}|{_MILITARY})"
_ON_A_CLOCK = r"(?! ?(?:o.?clock|position|location|axis)\b)(?!:?\d)"
_THEN = rf"(?:,? (?:at )?{_TIME})?"
_HIDDEN = rf"(?:_{{2,}}|\bXXXX\b)(?:,? {_CENTURY}\b)?"
_STUDY = (
    r"(?:study|studies|exams?|examinations?|radiographs?|films?|x-rays?|x-ray|ct|cxr|images?|priors?|comparison|prior)"
)
_OF = r"(?:dated|of|from|on|performed on|obtained on|done on)"
_OF_A_DAY = r"(?<!\d )(?<!\d(?:st|nd|rd|th) )of"
_COMPARED = r"compar(?:ed|ison)(?: (?:is|was))?(?: made)? (?:to|with)|since|unchanged from|dated|than(?: (?:on|in))?"

_SEEN = "seen|present|there|identified|evident|visible|apparent|noted|appreciated|detected|observed"
_NOT_SEEN = rf"(?:not|never) (?:be )?(?:{_SEEN})"

_HIDDEN_RULES = (
    (re.compile(rf"\b({_STUDY}),? {_OF} (?:{_DATE}|{_HIDDEN}){_THEN}", re.I), r"\1"),
    (re.compile(rf"\b(compared (?:to|with)|since|unchanged from) {_HIDDEN}{_THEN}(?=[,.;:]|$)", re.I), r"\1 prior"),
)
_DATE_RULES = (
    # What was not there on a day is new; without the day it would be denied.
    (re.compile(rf"\b({_NOT_SEEN} [oi]n)(?: the)? {_IN_PLACE}{_THEN}", re.I), r"\1 prior"),
    (re.compile(rf"\b({_STUDY}),? {_OF} (?:the )?{_IN_COMPARISON}{_THEN}", re.I), r"\1"),
    (re.compile(rf"\b((?!images?\b){_STUDY}),? {_IN_PLACE}{_THEN}", re.I), r"\1"),
    (re.compile(rf"\b((?:{_COMPARED})(?: the)?) {_IN_COMPARISON}{_THEN}", re.I), r"\1 prior"),
    (re.compile(rf"\b(from(?: the)?) {_IN_PLACE}{_THEN}", re.I), r"\1 prior"),
    (re.compile(rf",? ?\b(?:dated|on|{_OF_A_DAY}|in|at|performed on|obtained on) (?:the )?{_DATE}{_THEN}", re.I), ""),
    (re.compile(rf",? ?\bon {_IN_PLACE}{_THEN}", re.I), ""),
    (re.compile(rf",? ?\bat (?:approximately )?{_TIME}{_ON_A_CLOCK}", re.I), ""),
    (re.compile(rf"\b{_DATE}", re.I), "___"),
)
_HIDDEN_SIGNS = ("XXXX", "__")
_BEFORE_DATE = ("dated ", " of ", " from ", " on ", " to ", " with ", "since ")
_MONTHS_END = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|ept|oct|nov|dec|ary|rch|ril|une|uly|ust|ber)"
_ANY_DATE = re.compile(
    r"\d(?:[/:-]\d|\.\d+\.\d| ?[ap]\.?m\b|\d{3}"
    rf"|(?:st|nd|rd|th)?(?:[ ./-]| of )?{_MONTH}|(?<={_MONTHS_END}[ ,/.'’-]\d)|(?<={_MONTHS_END}[ .,][ '’]\d))",
    re.I,
)
# Numbers that count ribs and vertebrae, and sizes.
_COUNTS_BEFORE = re.compile(
    r"(?:\b(?:ribs?|vertebra\w*|bod(?:y|ies)|levels?|segments?|discs?|disks?|(?:inter)?spaces?|numbers?)"
    r"(?: (?:#|nos?\.?))?|\b[TLCS]-?\d{1,2}(?:[-/, ]| and )*)[ :,(]*(?:\d{1,2}(?:[-/, ]| and )+)*$",
    re.I,
)
_COUNTS_BEHIND = re.compile(r"(?:th|st|nd|rd)?\b ?(?:(?:\w+ ){0,2}ribs?|mm|cm)\b", re.I)
_LOOK = 40


def without_dates(text: str) -> str:
    """The text without dates and times and their prepositions; a bare date leaves a place-holder."""
    if _hides_date(text):
        text = _replaced(text, _HIDDEN_RULES)
    if has_digit(text) and _ANY_DATE.search(text):
        text = _replaced(text, _DATE_RULES)
    return text


def has_digit(text: str) -> bool:
    """Whether a digit 0 to 9 is in the text: ten plain searches take a fraction of the time of one by pattern."""
    return any(map(text.__contains__, "0123456789"))


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

        def replaced(match: re.Match[str], by: str = replacement) -> str:
            return match.group() if _counts(match) else match.expand(by)

        text = pattern.sub(replaced, text)
    return text


def _counts(match: re.Match[str]) -> bool:
    """Whether the numbers are not a date but those of ribs or vertebrae, or a size: "ribs 5-6-10"."""
    number = match.group().rsplit(" ", 1)[-1]
    if not number.replace("-", "").replace("/", "").isdigit():
        return False
    text, end = match.string, match.end()
    before = text[max(0, end - len(number) - _LOOK) : end - len(number)]
    return bool(_COUNTS_BEFORE.search(before) or _COUNTS_BEHIND.match(text, end))

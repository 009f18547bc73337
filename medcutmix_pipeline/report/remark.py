"""One thing that the page says to its reader, and words for what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Remark:
    """One thing to know. `look` is the gallery's state that shows it, as in the page's address; empty where none does.

    `kind`: `warning` is likely to harm a training, `note` is good to know, `good` has been checked and holds.
    """

    kind: Literal["warning", "note", "good"]
    title: str
    words: str
    look: str = ""


def warning(title: str, words: str, look: str = "") -> Remark:
    """Something that is likely to harm a training."""
    return Remark("warning", title, words, look)


def note(title: str, words: str, look: str = "") -> Remark:
    """Something that is good to know."""
    return Remark("note", title, words, look)


def good(title: str, words: str) -> Remark:
    """Something that has been checked and holds."""
    return Remark("good", title, words)


def plans_with(**filters: str) -> str:
    """The gallery's state, for `look`: a finding's name and a report's words may hold any sign."""
    return urlencode(filters, quote_via=quote)


def percent(share: float) -> str:
    """A share as a percentage: one digit behind the point where it is small."""
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def of(part: int, whole: int) -> str:
    """A part of a whole as a percentage."""
    return percent(part / whole if whole else 0.0)

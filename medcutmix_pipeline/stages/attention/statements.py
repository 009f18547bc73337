"""What a sentence claims, as far as a picture can answer: which findings, on which side, in which zone."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDES, ZONES = ("left", "right"), ("upper", "middle", "lower")

_BOOK: dict[str, dict[str, Any]] = tomllib.loads(
    resources.files(__package__).joinpath("places.toml").read_text(encoding="utf-8")
)
_SIDES = {word: frozenset(SIDES if side == "both" else (side,)) for side, own in _BOOK["sides"].items() for word in own}
_ZONES: dict[str, str] = {word: zone for zone, own in _BOOK["zones"].items() for word in own}
_LETTERS = {"L": "left", "R": "right"}
_OTHER_SIDE = {"left": "right", "right": "left"}
_WORD = re.compile(
    # "L>R", but not the vertebra L1, a spine, litres, initials, or "R/O".
    r"(?P<letter>(?<![\w.'’/-])(?<!\d )[LR](?![\w'’/]|\s*\d|[ -]spine))"
    r"|(?i:(?P<name>(?:left|right)(?=\s+(?:clinical|setting|context|atri|ventric|heart(?!\s+border)))))"
    r"|(?i:(?<![\w/])b/l(?![\w/]))"
    r"|[^\W\d_]+"
)
"""`name` is a side that is part of another thing's name, and no place: the right atrium, the right clinical setting."""


def words_of(sentence: str) -> list[str]:
    """The lower-cased words of a sentence: runs of letters of any script; numbers and punctuation part them.

    Abbreviations of places are spelt out, so that "RLL" reads like "right lower lobe".
    """
    return [word for found in _WORD.finditer(sentence) for word in _spelt(found)]


def places_in(sentence: str) -> Iterator[tuple[int, int, Place]]:
    """Each word that names a side or a zone: its characters [start, end), and the place."""
    for found in _WORD.finditer(sentence):
        place = Place.named(() if found["name"] else _spelt(found))
        if place != NOWHERE:
            yield found.start(), found.end(), place


def phrase_book(table: str) -> dict[str, frozenset[str]]:
    """Lists of words of `places.toml`, by their names."""
    return {name: frozenset(words) for name, words in _BOOK[table].items()}


def names_place(word: str) -> bool:
    """Whether a lower-cased word names a side or a zone."""
    return word in _SIDES or word in _ZONES


def sides_of(sentence: str) -> frozenset[str]:
    """The sides that a sentence names: a subset of {left, right}."""
    return _anywhere_in(sentence).sides


def zones_of(sentence: str) -> frozenset[str]:
    """The lung zones that a sentence names: a subset of {upper, middle, lower}."""
    return _anywhere_in(sentence).zones


def swap_sides(sentence: str) -> str:
    """The sentence with left and right exchanged; what it says of the mirrored image.

    An abbreviation is spelt out, and the lingula becomes the right lung's middle lobe.
    """
    return _WORD.sub(_swapped, sentence)


def without_places(sentence: str) -> str:
    """The words of a sentence but for those that name sides and zones."""
    return " ".join(word for word in words_of(sentence) if not names_place(word))


def one_sided(sentence: str) -> bool:
    """Whether the sentence names one side and one only, by the word left or right, so that it has an opposite."""
    return len(sides_of(sentence)) == 1 and any(
        word in SIDES for found in _WORD.finditer(sentence) if not found["name"] for word in _spelt(found)
    )


def _spelt(found: re.Match[str]) -> list[str]:
    """The words that a word stands for: itself, unless it is an abbreviation."""
    word = found[0].lower()
    full: str = _LETTERS[found[0]] if found["letter"] else _BOOK["abbreviations"].get(word, word)
    return full.split()


def _swapped(found: re.Match[str]) -> str:
    words, mirrored = _spelt(found), _BOOK["mirrored"]
    if found["name"] or mirrored.keys().isdisjoint(words):
        return found[0]
    return " ".join(mirrored.get(word, word) for word in words)


def _anywhere_in(sentence: str) -> Place:
    return Place.all_of(place for _, _, place in places_in(sentence))


@dataclass(frozen=True, slots=True)
class Place:
    """Sides and zones; empty sets where nothing was said."""

    sides: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()

    @classmethod
    def named(cls, words: list[str] | tuple[str, ...]) -> Place:
        """What the words name together."""
        sides = (_SIDES.get(word, frozenset()) for word in words)
        return cls(frozenset().union(*sides), frozenset(_ZONES[word] for word in words if word in _ZONES))

    @classmethod
    def all_of(cls, places: Iterable[Place]) -> Place:
        """All of the places together."""
        every = list(places)
        return cls(frozenset().union(*(p.sides for p in every)), frozenset().union(*(p.zones for p in every)))

    def mirrored(self) -> Place:
        """The place in the mirrored image."""
        return Place(frozenset(_OTHER_SIDE[side] for side in self.sides), self.zones)


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Statement:
    """Findings in alphabetical order, each with the place that was named with it."""

    places: tuple[tuple[str, Place], ...]

    @classmethod
    def of(cls, sentence: str, findings: frozenset[str]) -> Statement:
        """The statement of a sentence that asserts `findings`, all of them wherever it names a place."""
        return cls(tuple((finding, _anywhere_in(sentence)) for finding in sorted(findings)))

    @property
    def findings(self) -> frozenset[str]:
        """The findings without their places."""
        return frozenset(finding for finding, _ in self.places)

    @property
    def place(self) -> Place:
        """The places of all its findings."""
        return Place.all_of(place for _, place in self.places)

    def anywhere(self) -> Statement:
        """The same findings wherever they are."""
        return Statement(tuple((finding, NOWHERE) for finding, _ in self.places))

    def mirrored(self) -> Statement:
        """What holds of the mirrored image."""
        return Statement(tuple((finding, place.mirrored()) for finding, place in self.places))

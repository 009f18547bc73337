"""What a sentence claims, as far as a picture can answer: which findings, on which side, in which zone."""

from __future__ import annotations

import re
from dataclasses import dataclass

SIDES, ZONES = ("left", "right"), ("upper", "middle", "lower")

_SIDES: dict[str, frozenset[str]] = {
    "left": frozenset({"left"}),
    "right": frozenset({"right"}),
    "lingula": frozenset({"left"}),
    "lingular": frozenset({"left"}),
    **dict.fromkeys(
        ("bilateral", "bilaterally", "both", "bibasilar", "bibasal", "biapical"), frozenset({"left", "right"})
    ),
}
_ZONES: dict[str, str] = {
    **dict.fromkeys(("upper", "apical", "apex", "apices", "biapical"), "upper"),
    **dict.fromkeys(("middle", "mid", "midlung", "midzone", "lingula", "lingular", "perihilar", "hilar"), "middle"),
    **dict.fromkeys(
        ("lower", "base", "bases", "basal", "basilar", "bibasilar", "bibasal", "costophrenic", "retrocardiac"), "lower"
    ),
}
_OTHER_SIDE = {"left": "right", "right": "left"}
_WORD = re.compile(r"[^\W\d_]+")
_SIDE_WORD = re.compile(r"(?<![^\W\d_])(left|right)(?![^\W\d_])", re.IGNORECASE)


def words_of(sentence: str) -> list[str]:
    """The lower-cased words of a sentence: runs of letters of any script; numbers and punctuation part them."""
    return _WORD.findall(sentence.lower())


def sides_of(sentence: str) -> frozenset[str]:
    """The sides that a sentence names: a subset of {left, right}."""
    return frozenset().union(*(_SIDES.get(word, frozenset()) for word in words_of(sentence)))


def zones_of(sentence: str) -> frozenset[str]:
    """The lung zones that a sentence names: a subset of {upper, middle, lower}."""
    return frozenset(_ZONES[word] for word in words_of(sentence) if word in _ZONES)


def swap_sides(sentence: str) -> str:
    """The sentence with left and right exchanged; what it says of the mirrored image."""
    return _SIDE_WORD.sub(lambda m: _OTHER_SIDE[m[0].lower()], sentence)


def without_places(sentence: str) -> str:
    """The words of a sentence but for those that name sides and zones."""
    return " ".join(word for word in words_of(sentence) if word not in _SIDES and word not in _ZONES)


def one_sided(sentence: str) -> bool:
    """Whether the sentence names one side and one only, by the word left or right, so that it has an opposite."""
    return len(sides_of(sentence)) == 1 and _SIDE_WORD.search(sentence) is not None


@dataclass(frozen=True, slots=True)
class Statement:
    """Findings with the sides and zones that were named with them; empty sets where nothing was said."""

    findings: frozenset[str]
    sides: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sentence: str, findings: frozenset[str]) -> Statement:
        """The statement of a sentence that asserts `findings`."""
        return cls(findings, sides_of(sentence), zones_of(sentence))

    def anywhere(self) -> Statement:
        """The same findings wherever they are."""
        return Statement(self.findings)

    def mirrored(self) -> Statement:
        """What holds of the mirrored image."""
        return Statement(self.findings, frozenset(_OTHER_SIDE[side] for side in self.sides), self.zones)

"""The phrase book of phantom reports: sentences, and what each of them says."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from .lesions import diameter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.random import Generator

    from medcutmix_pipeline.schemas.records import Assertion

    from .scene import Lesion

FIELD_MM = 400.0
"""What the image's side measures in the patient, mm: for a nodule's size in the text and a DICOM's pixel spacing."""

_RIBS = {4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth"}


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence (or two that belong together), what it says, and the number of the lesion that it tells of."""

    text: str
    labels: dict[str, Assertion] = field(default_factory=dict)
    lesion: int | None = None


@cache
def book() -> dict[str, Any]:
    """The phrase book, as `phrases.toml` has it."""
    text = resources.files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def parse(phrase: str) -> tuple[str, dict[str, str]]:
    """Split "text | Finding=assertion; …" into its text and its labels."""
    text, _, tail = phrase.partition(" | ")
    pairs = (item.split("=") for item in tail.split(";") if item.strip())
    return text, {name.strip(): assertion.strip() for name, assertion in pairs}


def pick(rng: Generator, options: Sequence[str]) -> str:
    """One of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def sentence_case(text: str) -> str:
    """Upper-case the first letter, and leave the rest."""
    return text[:1].upper() + text[1:]


def tell(rng: Generator, number: int, lesion: Lesion, kind: str, stated: Collection[str]) -> Statement:
    """Tell of a lesion in the words of `findings` or `impression`; it contradicts nothing in `stated`."""
    entry = book()[lesion.finding]
    entry = entry[lesion.device] if lesion.device else entry
    options = []
    for phrase in _options(rng, entry, lesion, kind):
        text, also = parse(phrase)
        if not any(assertion == "absent" and name in stated for name, assertion in also.items()):
            options.append((text, also))
    text, also = options[int(rng.integers(len(options)))]
    own: Assertion = "present" if lesion.certain else "uncertain"
    labels = {name: assertion for name, assertion in ({lesion.finding: own} | also).items() if assertion}
    return Statement(_fill(rng, text, lesion, entry), cast("dict[str, Assertion]", labels), number)


def _options(rng: Generator, entry: dict[str, Any], lesion: Lesion, kind: str) -> Sequence[str]:
    both = lesion.side == "both" and "both" in entry
    if not lesion.certain:
        return cast("Sequence[str]", entry["uncertain_both" if both else "uncertain"])
    if both:
        return cast("Sequence[str]", entry["both"])
    if lesion.chronic and "known" in entry and rng.random() < 0.5:
        return cast("Sequence[str]", entry["known"])
    return cast("Sequence[str]", entry[kind])


def _fill(rng: Generator, text: str, lesion: Lesion, entry: dict[str, Any]) -> str:
    sizes = entry.get("size")
    filled = text.format(
        size=pick(rng, sizes[lesion.grade - 1]) if sizes else "",
        side=lesion.side,
        site=pick(rng, book()["site"][lesion.zone]).format(side=lesion.side),
        rib=_RIBS[lesion.rib],
        node="mass" if lesion.grade == 3 else "nodule",
        cm=f"{diameter(lesion) * FIELD_MM / 10:.1f} cm",
    )
    filled = filled.replace(" a early", " an early").replace(" a extensive", " an extensive")
    return ". ".join(sentence_case(part) for part in filled.split(". "))

"""Phantom reports: what is drawn, said in one of several styles, with what is not there denied."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medcutmix_pipeline.schemas.records import STRENGTH

from .phrases import Statement, book, parse, pick, sentence_case, tell
from .scene import PREVALENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.random import Generator

    from medcutmix_pipeline.schemas.records import Labels

    from .scene import Lesion

_PART = {
    "Support Devices": "devices",
    "Pleural Effusion": "pleura",
    "Pneumothorax": "pleura",
    "Pleural Other": "pleura",
    "Cardiomegaly": "heart",
    "Enlarged Cardiomediastinum": "heart",
    "Fracture": "bones",
}
_AIRSPACE = frozenset({"Consolidation", "Lung Opacity", "Pneumonia", "Atelectasis", "Edema"})
_DENIAL_NEEDS = {
    "Pneumonia": _AIRSPACE - {"Atelectasis", "Edema"},
    "Consolidation": frozenset({"Lung Opacity", "Pneumonia"}),
    "Lung Opacity": _AIRSPACE | {"Lung Lesion"},
}
"""A finding is not denied where one of these is stated: the two would read as a contradiction."""

_EVERY = frozenset(PREVALENCE) | {"Pneumonia"}
_GROUPS = {
    "lung finding": _AIRSPACE | {"Lung Lesion"},
    "acute finding": _EVERY - {"Support Devices"},
    "any finding": _EVERY,
}


@dataclass(frozen=True, slots=True)
class Written:
    """A report, what it says of each finding, and the lesions that each present finding stands for."""

    text: str
    labels: Labels
    lesions: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a report knows of its study besides the lesions. `projection` is `pair`, `upright` or `portable`."""

    sex: str
    projection: str
    follow_up: bool


@dataclass(slots=True)
class _Draft:
    """A report in the making: what was stated and denied so far."""

    rng: Generator
    lesions: Sequence[Lesion]
    stated: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    said: list[Statement] = field(default_factory=list)

    def keep(self, statement: Statement) -> Statement:
        for name, assertion in statement.labels.items():
            (self.denied if assertion == "absent" else self.stated).add(name)
        self.said.append(statement)
        return statement

    def assert_all(self, kind: str) -> dict[str, list[Statement]]:
        """A statement for each lesion, by the part of the chest that it belongs to."""
        parts: dict[str, list[Statement]] = {name: [] for name in ("devices", "lungs", "pleura", "heart", "bones")}
        known = {lesion.finding for lesion in self.lesions} | self.stated
        for number, lesion in enumerate(self.lesions):
            statement = self.keep(tell(self.rng, number, lesion, kind, known))
            parts[_PART.get(lesion.finding, "lungs")].append(statement)
        return parts

    def deny(self, options: Iterable[str], repeat: bool = False) -> list[Statement]:
        """One of the options that is true and says something new; none where no option is left."""
        free = []
        for phrase in options:
            text, labels = parse(phrase)
            stale = not repeat and any(name in self.denied for name in labels)
            if not stale and not any(self.stated & _ruled_out_by(name) for name in labels):
                free.append((text, labels))
        if not free:
            return []
        text, labels = free[int(self.rng.integers(len(free)))]
        denied: Labels = {name: "absent" for name, assertion in labels.items() if assertion == "absent"}
        return [self.keep(Statement(text, denied))]


def _ruled_out_by(name: str) -> frozenset[str]:
    """The findings that, where stated, forbid denying `name`, which may be a group of findings."""
    return _GROUPS.get(name) or _DENIAL_NEEDS.get(name, frozenset()) | {name}


def write_report(rng: Generator, lesions: Sequence[Lesion], about: Circumstances) -> Written:
    """A report of the lesions in a style of its own."""
    draft = _Draft(rng, lesions)
    style = str(rng.choice(["full", "findings", "impression", "combined", "untitled", "plain"], p=_STYLES))
    text = _layout(draft, style, about)
    labels: Labels = {}
    sources: dict[str, list[int]] = {}
    for statement in draft.said:
        for name, assertion in statement.labels.items():
            if name not in labels or STRENGTH[assertion] > STRENGTH[labels[name]]:
                labels[name] = assertion
            if assertion == "present" and statement.lesion is not None:
                sources.setdefault(name, []).append(statement.lesion)
    return Written(text, labels, {name: tuple(sorted(set(numbers))) for name, numbers in sources.items()})


_STYLES = (0.40, 0.16, 0.12, 0.06, 0.16, 0.10)


def _layout(draft: _Draft, style: str, about: Circumstances) -> str:
    rng = draft.rng
    capitals = rng.random() < 0.8
    blocks: list[str] = []

    def section(name: str, text: str) -> None:
        title = name if capitals else name.capitalize()
        blocks.append(f"{title}: {text}" if rng.random() < 0.6 else f"{title}:\n{text}")

    if style == "full" and rng.random() < 0.5:
        section("EXAMINATION", "CHEST (PA AND LAT)" if about.projection == "pair" else "CHEST RADIOGRAPH")
    if style != "plain":
        section("INDICATION", _indication(rng, about))
    if style in ("full", "combined", "findings"):
        preamble = book()["preamble"]
        section("COMPARISON", pick(rng, preamble["followup" if about.follow_up else "comparison"]))
        section("TECHNIQUE", pick(rng, preamble[about.projection]))
    title = {
        "full": "FINDINGS",
        "findings": "FINDINGS",
        "impression": "IMPRESSION",
        "combined": "FINDINGS AND IMPRESSION",
    }
    body = " ".join(s.text for s in _findings(draft, brief=style == "impression"))
    if style in title:
        section(title[style], body)
    else:
        blocks.append(_untitled(rng, about) + body)
    if style in ("full", "untitled"):
        section("IMPRESSION", _impression(draft))
    # Without a title, only a blank line tells findings from what was before.
    return _wrap(rng, blocks, tight=style in title)


def _untitled(rng: Generator, about: Circumstances) -> str:
    views = "TWO VIEWS" if about.projection == "pair" else "ONE VIEW"
    return pick(rng, ["", "FINAL REPORT\n", "CHEST:\n", f"CHEST, {views}:\n", "WET READ: ___\n"])


def _indication(rng: Generator, about: Circumstances) -> str:
    text = pick(rng, book()["preamble"]["indication"])
    return sentence_case(text.format(man="man" if about.sex == "M" else "woman", m=about.sex))


def _findings(draft: _Draft, brief: bool) -> list[Statement]:
    """Statements part by part: first what is there, then what is not."""
    rng, normal = draft.rng, book()["normal"]
    parts = draft.assert_all("findings")
    order = ["devices", "lungs", "pleura", "heart", "bones"]
    if rng.random() < 0.35:
        order = ["devices", "heart", "lungs", "pleura", "bones"]
    whole = draft.deny(normal["whole"]) if rng.random() < 0.3 else []
    for part in order:
        if part != "devices" and rng.random() < (0.35 if brief else 0.85):
            parts[part] += draft.deny(normal[part])
    if parts["lungs"] and len(draft.lesions) == 1 and draft.lesions[0].finding in ("Lung Lesion", "Consolidation"):
        parts["lungs"] += [Statement(pick(rng, normal["elsewhere"]))] if rng.random() < 0.4 else []
    said = [statement for part in order for statement in parts[part]]
    said = whole + said if not draft.lesions or rng.random() < 0.3 else said + whole
    if not said:
        said = draft.deny(normal["summary"]) or [Statement(pick(rng, normal["filler"]))]
    elif not brief and rng.random() < 0.35:
        said.append(Statement(pick(rng, normal["filler"])))
    return said


def _impression(draft: _Draft) -> str:
    """The lesions again in fewer words, or that there is nothing acute."""
    rng = draft.rng
    told = [number for number, lesion in enumerate(draft.lesions) if not lesion.device or rng.random() < 0.5]
    said = [draft.keep(tell(rng, n, draft.lesions[n], "impression", draft.stated)) for n in told]
    if not said and not draft.stated - {"Support Devices"}:
        said = draft.deny(book()["normal"]["summary"], repeat=True)
    elif rng.random() < 0.25:
        said += draft.deny(book()["normal"]["pleura"], repeat=True)
    if len(said) > 1 and rng.random() < 0.6:
        return "\n".join(f"{n}. {statement.text}" for n, statement in enumerate(said, 1))
    return " ".join(statement.text for statement in said)


def _wrap(rng: Generator, blocks: Sequence[str], tight: bool) -> str:
    """Join the blocks, with lines wrapped in about half of the reports and indented in a few."""
    width = int(rng.integers(58, 84)) if rng.random() < 0.5 else 0
    gap = "\n" if rng.random() < 0.3 and tight else "\n\n"
    text = gap.join(blocks)
    if width:
        text = "\n".join(textwrap.fill(line, width, break_long_words=False) for line in text.split("\n"))
    if rng.random() < 0.2:
        text = textwrap.indent(text, " ")
    return text + "\n"

"""Phantom reports: what is drawn, said in one of several styles, with what is not there denied."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.schemas.records import STRENGTH

from .draft import Draft
from .phrases import Statement, book, pick, sentence_case, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from medcutmix_pipeline.schemas.records import Labels

    from .scene import Lesion


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


def write_report(rng: Generator, lesions: Sequence[Lesion], about: Circumstances) -> Written:
    """A report of the lesions in a style of its own."""
    draft = Draft(rng, lesions)
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


def _layout(draft: Draft, style: str, about: Circumstances) -> str:
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


def _findings(draft: Draft, brief: bool) -> list[Statement]:
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


def _impression(draft: Draft) -> str:
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

"""The page's first lines: whether there is something to look at, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medcutmix_pipeline.report.figures import LOW_PRESENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.report.figures import Figures, FindingRow

MANY_REJECTED = 0.05
FEW_DONORS = 5
MANY_ALONE = 0.1
OFTEN_REUSED = 100
MOST_OF_A_FINDING = 0.25
"""A sentence in more than this share of a finding's plans (and in at least 20) is told."""
_AT_LEAST = 20
MANY_WEAK = 0.1
SMALL_MAP, LARGE_MAP = 0.02, 0.5
LITTLE_GIVEN = 0.05
ONE_FINDING = 0.4
MANY_DRIFTED = 0.1
MUCH_SHORTER = 0.15
LESS_VARIED = 0.1
_NAMED = 4


@dataclass(frozen=True)
class Remark:
    """One thing to know. `look` is the gallery's state that shows it, as in the page's address; empty where none does.

    `kind`: `warning` is likely to harm a training, `note` is good to know, `good` has been checked and holds.
    """

    kind: Literal["warning", "note", "good"]
    title: str
    words: str
    look: str = ""


def remarks(told: Figures) -> list[Remark]:
    """What the figures say, warnings first. Thresholds are this module's constants: rules of thumb, not findings."""
    parts = (_rejected, _partners, _alone, _dominant, _reused, _presence, _areas, _given, _drift, _diverse)
    found = [remark for part in parts for remark in part(told)]
    order = {"warning": 0, "note": 1, "good": 2}
    return sorted(found, key=lambda remark: order[remark.kind])


def headline(told: Figures, found: list[Remark]) -> str:
    """The verdict in one sentence."""
    counts = told.manifest.counts
    if not counts.plans:
        return "No mix plans were made: nothing in this dataset can be mixed."
    warnings = sum(remark.kind == "warning" for remark in found)
    made = f"{counts.plans:,} mix plans for {told.steps[2].parts[0].count:,} of {counts.samples:,} samples"
    if not warnings:
        return f"{made}, and nothing that stands out as wrong."
    return f"{made}, and {_few(warnings)} to look at before you train."


def _few(number: int) -> str:
    words = ("", "one thing", "two things", "three things", "four things", "five things", "six things")
    return words[number] if number < len(words) else f"{number} things"


def _rejected(told: Figures) -> Iterator[Remark]:
    images = told.steps[1]
    out = images.parts[1].count
    told_out = f"{out:,} of {images.total:,} ({_pc(out, images.total)})."
    if images.total and out / images.total > MANY_REJECTED:
        first = told.rejects[0] if told.rejects else None
        why = f" Most often: {first.code}, {first.words}." if first and first.words else ""
        yield Remark("warning", "Many images were left out", told_out + why)
    elif out:
        yield Remark("good", "Few images were left out", told_out)
    else:
        yield Remark("good", "No image was left out", f"All {images.total:,} became samples.")


def _partners(told: Figures) -> Iterator[Remark]:
    rows = [row for row in told.findings if row.matched and row.present]
    without = [row for row in rows if not row.plans]
    thin = [row for row in rows if row.plans and row.donors < FEW_DONORS]
    if without:
        yield Remark(
            "warning",
            "Findings that are never mixed",
            f"{_names(without)}: present in samples, but no plan could be made.",
        )
    if thin:
        yield Remark(
            "warning",
            "Findings with few donors",
            f"{_names(thin)}: fewer than {FEW_DONORS} samples lend, so their sentences and pictures repeat.",
            f"finding={thin[0].name}" if len(thin) == 1 else "sort=rare",
        )
    if rows and not without and not thin:
        yield Remark("good", "Every finding has partners", f"All {len(rows)} have at least {FEW_DONORS} donors.")


def _alone(told: Figures) -> Iterator[Remark]:
    hosts, alone = told.steps[2].parts[0].count, told.steps[2].parts[1].count
    if alone and alone / (hosts + alone) > MANY_ALONE:
        yield Remark(
            "note",
            "Samples with a finding but no plan",
            f"{alone:,} of {hosts + alone:,} ({_pc(alone, hosts + alone)}): no donor in reach, or each mix was "
            "dropped. They are seen unmixed.",
        )


def _dominant(told: Figures) -> Iterator[Remark]:
    total = told.manifest.counts.plans
    most = max(told.findings, key=lambda row: row.plans, default=None)
    if most and total and most.plans / total > ONE_FINDING:
        yield Remark(
            "note",
            "One finding dominates",
            f"{most.name} has {_pc(most.plans, total)} of all plans.",
            f"finding={most.name}",
        )


def _reused(told: Figures) -> Iterator[Remark]:
    if not told.sentences:
        return
    top = told.sentences[0]
    heavy = [s for s in told.sentences if s.plans >= _AT_LEAST and s.share > MOST_OF_A_FINDING]
    if top.plans > OFTEN_REUSED:
        yield Remark(
            "warning",
            "A sentence is put in very often",
            f"“{top.text}” is in {top.plans:,} plans, {top.share:.0%} of those on {top.finding}: "
            "a model may learn the phrase rather than the finding.",
            f"q={top.text}",
        )
    elif heavy:
        yield Remark(
            "note",
            "A sentence makes up much of a finding",
            f"“{heavy[0].text}” is in {heavy[0].share:.0%} of the plans on {heavy[0].finding}.",
            f"q={heavy[0].text}",
        )
    else:
        yield Remark("good", "Sentences vary", f"The most used one is in {top.plans:,} plans.")


def _presence(told: Figures) -> Iterator[Remark]:
    if told.presence is None:
        return
    share = told.low_presence / told.presence.total
    if share > MANY_WEAK:
        yield Remark(
            "warning",
            "Findings that the encoder does not see",
            f"In {share:.0%} of the plans the donor's presence score is below {LOW_PRESENCE}: their maps may point "
            "anywhere. Look at some, and raise plans.min_presence.",
            f"sort=presence&presence=0-{LOW_PRESENCE}",
        )
    elif told.low_presence:
        yield Remark(
            "note",
            "A few weak maps",
            f"{told.low_presence:,} plans ({share:.1%}) have a presence score below {LOW_PRESENCE}.",
            f"sort=presence&presence=0-{LOW_PRESENCE}",
        )


def _areas(told: Figures) -> Iterator[Remark]:
    if told.area is None:
        return
    if told.area.median < SMALL_MAP:
        yield Remark(
            "warning",
            "Maps are very small",
            f"Half of them cover less than {told.area.median:.1%} of the image: raise attention.mass.",
            "sort=area-small",
        )
    elif told.area.p95 > LARGE_MAP:
        yield Remark(
            "warning",
            "Some maps cover most of the image",
            f"One in twenty covers more than {told.area.p95:.0%}: the encoder does not locate the finding there.",
            "sort=area",
        )
    else:
        yield Remark(
            "good",
            "Maps have a sensible size",
            f"Nine in ten cover between {told.area.p5:.0%} and {told.area.p95:.0%} of the image.",
        )


def _given(told: Figures) -> Iterator[Remark]:
    if told.given is not None and told.given.median < LITTLE_GIVEN:
        yield Remark(
            "note",
            "Pictures change less than reports",
            f"At the stored λ, half of the mixes take less than {told.given.median:.1%} of their picture from "
            "the donor, while the report takes the donor's sentence whole. A wider map (attention.mass), or the union "
            "of both maps, evens it.",
            "sort=kept",
        )


def _drift(told: Figures) -> Iterator[Remark]:
    total = told.manifest.counts.plans
    if total and told.drifted / total > MANY_DRIFTED:
        yield Remark(
            "note",
            "Donors bring further findings",
            f"{_pc(told.drifted, total)} of the mixed reports have a finding that the host's did not; "
            "their labels say so.",
        )


def _diverse(told: Figures) -> Iterator[Remark]:
    if told.compared and abs(told.longer - 1) > MUCH_SHORTER:
        way = "shorter" if told.longer < 1 else "longer"
        yield Remark(
            "note",
            f"Mixed reports are {way}",
            f"They have {abs(told.longer - 1):.0%} {'fewer' if told.longer < 1 else 'more'} words than their hosts' "
            "reports: every sentence that asserts the finding goes, one comes in.",
        )
    trigrams = next((n for n in told.ngrams if n.order == 3), None)
    if trigrams is None or not trigrams.original:
        return
    change, new = trigrams.mixed / trigrams.original - 1, trigrams.new / max(1, trigrams.mixed)
    kind: Literal["warning", "good"] = "warning" if change < -LESS_VARIED else "good"
    yield Remark(
        kind,
        "Mixed reports are less varied" if kind == "warning" else "Mixed reports stay varied",
        f"At equal length they have {abs(change):.0%} {'more' if change >= 0 else 'fewer'} distinct phrases of three "
        f"words than the originals; {new:.0%} of theirs are in none of the originals.",
    )


def _names(rows: list[FindingRow]) -> str:
    named = ", ".join(row.name for row in rows[:_NAMED])
    return named if len(rows) <= _NAMED else f"{named} and {len(rows) - _NAMED} more"


def _pc(part: int, whole: int) -> str:
    share = part / whole if whole else 0.0
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"

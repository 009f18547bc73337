"""Remarks on the plans: their sentences, their maps, and the reports that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.report.remark import good, note, of, plans_with, warning
from medcutmix_pipeline.report.told import LOW_PRESENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.report.remark import Remark
    from medcutmix_pipeline.report.told import Figures

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


def on_plans(told: Figures) -> Iterator[Remark]:
    """All of them."""
    for part in (_dominant, _reused, _presence, _areas, _given, _drift, _length, _variety):
        yield from part(told)


def _dominant(told: Figures) -> Iterator[Remark]:
    total = told.manifest.counts.plans
    most = max(told.findings, key=lambda row: row.plans, default=None)
    if most and total and most.plans / total > ONE_FINDING:
        yield note(
            "One finding dominates",
            f"{most.name} has {of(most.plans, total)} of all plans.",
            plans_with(finding=most.name),
        )


def _reused(told: Figures) -> Iterator[Remark]:
    if not told.sentences:
        return
    top = told.sentences[0]
    heavy = [s for s in told.sentences if s.plans >= _AT_LEAST and s.share > MOST_OF_A_FINDING]
    if top.plans > OFTEN_REUSED:
        yield warning(
            "A sentence is put in very often",
            f"“{top.text}” is in {top.plans:,} plans, {top.share:.0%} of those on {top.finding}: "
            "a model may learn the phrase rather than the finding.",
            plans_with(q=top.text),
        )
    elif heavy:
        yield note(
            "A sentence makes up much of a finding",
            f"“{heavy[0].text}” is in {heavy[0].share:.0%} of the plans on {heavy[0].finding}.",
            plans_with(q=heavy[0].text),
        )
    else:
        yield good("Sentences vary", f"The most used one is in {top.plans:,} plans.")


def _presence(told: Figures) -> Iterator[Remark]:
    if told.presence is None:
        return
    share = told.low_presence / told.presence.total
    if share > MANY_WEAK:
        yield warning(
            "Findings that the encoder does not see",
            f"In {share:.0%} of the plans the donor's presence score is below {LOW_PRESENCE}: their maps may point "
            "anywhere. Look at some, and raise plans.min_presence.",
            plans_with(sort="presence", presence=f"0-{LOW_PRESENCE}"),
        )
    elif told.low_presence:
        yield note(
            "A few weak maps",
            f"{told.low_presence:,} plans ({share:.1%}) have a presence score below {LOW_PRESENCE}.",
            plans_with(sort="presence", presence=f"0-{LOW_PRESENCE}"),
        )


def _areas(told: Figures) -> Iterator[Remark]:
    if told.area is None:
        return
    if told.area.median < SMALL_MAP:
        yield warning(
            "Maps are very small",
            f"Half of them cover less than {told.area.median:.1%} of the image: raise attention.mass.",
            plans_with(sort="area-small"),
        )
    elif told.area.p95 > LARGE_MAP:
        yield warning(
            "Some maps cover most of the image",
            f"One in twenty covers more than {told.area.p95:.0%}: the encoder does not locate the finding there.",
            plans_with(sort="area"),
        )
    else:
        yield good(
            "Maps have a sensible size",
            f"Nine in ten cover between {told.area.p5:.0%} and {told.area.p95:.0%} of the image.",
        )


def _given(told: Figures) -> Iterator[Remark]:
    if told.given is not None and told.given.median < LITTLE_GIVEN:
        yield note(
            "Pictures change less than reports",
            f"At the stored λ, half of the mixes take less than {told.given.median:.1%} of their picture from "
            "the donor, while the report takes the donor's whole sentence. A wider map (attention.mass), or the union "
            "of both maps, balances this.",
            plans_with(sort="kept"),
        )


def _drift(told: Figures) -> Iterator[Remark]:
    total = told.manifest.counts.plans
    if total and told.drifted / total > MANY_DRIFTED:
        yield note(
            "Donors bring further findings",
            f"{of(told.drifted, total)} of the mixed reports have a finding that the host's did not have; "
            "their labels include it.",
        )


def _length(told: Figures) -> Iterator[Remark]:
    if told.compared and abs(told.longer - 1) > MUCH_SHORTER:
        way, words = ("shorter", "fewer") if told.longer < 1 else ("longer", "more")
        yield note(
            f"Mixed reports are {way}",
            f"They have {abs(told.longer - 1):.0%} {words} words than their hosts' reports: every sentence that "
            "asserts the finding is cut, and one is put in.",
        )


def _variety(told: Figures) -> Iterator[Remark]:
    trigrams = next((n for n in told.ngrams if n.order == 3), None)
    if trigrams is None or not trigrams.original:
        return
    change, new = trigrams.mixed / trigrams.original - 1, trigrams.new / max(1, trigrams.mixed)
    words = (
        f"At equal length they have {abs(change):.0%} {'more' if change >= 0 else 'fewer'} distinct phrases of three "
        f"words than the originals; {new:.0%} of theirs are in none of the originals."
    )
    if change < -LESS_VARIED:
        yield warning("Mixed reports are less varied", words)
    else:
        yield good("Mixed reports stay varied", words)

"""The page's first lines: whether there is something to look at, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.report.on_plans import on_plans
from medcutmix_pipeline.report.on_samples import on_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.report.remark import Remark
    from medcutmix_pipeline.report.told import Figures

_ORDER = ("warning", "note", "good")


def remarks(told: Figures) -> list[Remark]:
    """What the figures say, warnings first. The thresholds are constants: rules of thumb, not findings."""
    found = [*on_samples(told), *on_plans(told)]
    return sorted(found, key=lambda remark: _ORDER.index(remark.kind))


def headline(told: Figures, found: Sequence[Remark]) -> str:
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

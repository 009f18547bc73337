"""Gathering all that the page tells besides the gallery."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.report.charts import Cell, conditional, counted, spread
from medcutmix_pipeline.report.reasons import DROPPED, REJECTS
from medcutmix_pipeline.report.tally import PlanTally, SampleTally, tally_samples
from medcutmix_pipeline.report.told import LOW_PRESENCE, Figures, FindingRow, Matrix, Part, Reason, Sentence, Step

if TYPE_CHECKING:
    from medcutmix_pipeline.dataset import Dataset

NO_FINDING = "No Finding"
_TOP_SENTENCES = 12
_MOST_SHARDS_DRAWN = 200


def figures(dataset: Dataset, plans: PlanTally) -> Figures:
    """What the page tells of a dataset whose plans have been tallied."""
    findings = tuple(dataset.manifest.diseases)
    excluded = frozenset(dataset.manifest.config.get("pairing", {}).get("exclude", ())) | {NO_FINDING}
    samples = tally_samples(dataset, findings, excluded)
    shown = [i for i, f in enumerate(findings) if f != NO_FINDING and (samples.together[i, i] or plans.present[i])]
    names = tuple(findings[i] for i in shown)
    area = plans.column("map_area")
    high = next((h for h in (0.25, 0.5) if len(area) and float(np.quantile(area, 0.995)) <= h), 1.0)
    scores = plans.column("donor_score")
    ngrams = tuple(plans.pairs.ngrams())
    return Figures(
        manifest=dataset.manifest,
        steps=_steps(dataset, samples),
        rejects=_rejects(dataset),
        dropped=_reasons(dataset.manifest.counts.dropped_mixes, DROPPED),
        findings=tuple(_finding(f, i, samples, plans, f not in excluded, high) for i, f in enumerate(findings)),
        views=dict(sorted(samples.views.items())),
        lam=spread(plans.column("lambda")),
        area=spread(area, high=high),
        area_high=high,
        presence=spread(scores),
        host_presence=spread(plans.column("host_score")),
        given=spread((1 - plans.column("lambda")) * area, high=high),
        low_presence=int((scores < LOW_PRESENCE).sum()),
        before=Matrix(names, conditional(samples.together, shown)),
        after=Matrix(names, conditional(plans.together, shown)),
        comes_along=_comes_along(plans, names, shown),
        partners=counted(plans.partners, every=True),
        lends=counted(plans.lends),
        reuse=counted(Counter(plans.sentences.values())),
        sentences=_sentences(plans),
        distinct_sentences=len(plans.sentences),
        ngrams=ngrams,
        compared=len(plans.pairs.kept),
        longer=plans.pairs.longer(),
        drifted=plans.drifted,
        shards_drawn=len(dataset.manifest.shards) <= _MOST_SHARDS_DRAWN,
    )


def _steps(dataset: Dataset, samples: SampleTally) -> tuple[Step, ...]:
    source, counts = dataset.manifest.source, dataset.manifest.counts
    tried = counts.plans + sum(counts.dropped_mixes.values())
    studies, images = max(source.studies, samples.studies), max(source.images, samples.total)
    return (
        Step(
            "studies",
            studies,
            (
                Part("gave samples", samples.studies, kept=True),
                Part("left out", studies - samples.studies),
            ),
        ),
        Step(
            "images",
            images,
            (Part("became samples", samples.total, kept=True), Part("left out", images - samples.total)),
        ),
        Step(
            "samples",
            samples.total,
            (
                Part("have plans", samples.hosts, kept=True),
                Part("have a finding but no plan", samples.alone),
                Part("have no finding to match on", samples.unmatchable),
            ),
        ),
        Step(
            "mixes tried",
            tried,
            (Part("became plans", counts.plans, kept=True), Part("dropped", tried - counts.plans)),
        ),
    )


def _rejects(dataset: Dataset) -> tuple[Reason, ...]:
    told: Counter[tuple[str, str]] = Counter()
    for batch in dataset.table("rejects").to_batches(columns=["kind", "reason"]):
        told.update(zip(batch["kind"].to_pylist(), batch["reason"].to_pylist(), strict=True))
    ranked = sorted(told.items(), key=lambda item: (-item[1], item[0][1], str(item[0][0])))
    return tuple(Reason(code, REJECTS.get(code, ""), count, kind or "") for (kind, code), count in ranked)


def _reasons(counts: dict[str, int], meaning: dict[str, str]) -> tuple[Reason, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Reason(code, meaning.get(code, ""), count) for code, count in ranked)


def _finding(
    name: str, place: int, samples: SampleTally, plans: PlanTally, matched: bool, area_high: float
) -> FindingRow:
    absent, uncertain, present = (int(n) for n in samples.said[:, place])
    own, chosen = plans.by_finding[name], plans.matched_on(name)
    return FindingRow(
        name=name,
        present=present,
        uncertain=uncertain,
        absent=absent,
        share_before=present / samples.total if samples.total else 0.0,
        share_after=int(plans.present[place]) / plans.total if plans.total else 0.0,
        matched=matched,
        plans=own.plans,
        hosts=own.hosts,
        donors=own.donors,
        most_lent=own.most_lent,
        area=spread(plans.column("map_area")[chosen], high=area_high),
        presence=spread(plans.column("donor_score")[chosen]),
    )


def _comes_along(plans: PlanTally, names: tuple[str, ...], shown: list[int]) -> Matrix:
    """Of the plans matched on the row's finding, the share whose mixed report gains the column's finding."""
    rows = []
    for name in names:
        own = plans.by_finding[name]
        rows.append([Cell(int(own.gained[j]) / own.plans if own.plans else None, int(own.gained[j])) for j in shown])
    return Matrix(names, rows)


def _sentences(plans: PlanTally) -> tuple[Sentence, ...]:
    ranked = sorted(plans.sentences.items(), key=lambda item: (-item[1], item[0]))[:_TOP_SENTENCES]
    return tuple(
        Sentence(finding, text, count, count / plans.by_finding[finding].plans) for (finding, text), count in ranked
    )

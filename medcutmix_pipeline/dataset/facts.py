"""A dataset in numbers: what `inspect` tells in tables and, with `--json`, as it stands here."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from medcutmix_pipeline.dataset.open import Dataset

Facts = dict[str, Any]

ASSERTIONS = ("present", "uncertain", "absent")
MEASURES = ("lambda", "map_area", "donor_score", "host_score")
_MOST_SENTENCES = 10


def overview(dataset: Dataset) -> Facts:
    """What went in and came out: counts, splits, findings, distributions over plans, rejects."""
    manifest = dataset.manifest
    return {
        "dataset": {
            "folder": dataset.where,
            "format_version": manifest.format_version,
            "tool_version": manifest.tool_version,
            "config_hash": manifest.config_hash,
            "source": manifest.source.model_dump(),
            "encoder": manifest.encoder.model_dump(),
        },
        "counts": manifest.counts.model_dump(),
        "splits": _splits(dataset),
        "findings": _findings(dataset),
        "plans": measures(dataset.table("plans").to_table(columns=list(MEASURES))),
        "rejects": _rejects(dataset),
    }


def finding(dataset: Dataset, name: str) -> Facts:
    """One finding: who has it, who lends it to whom, and which sentences are put in most.

    Raises:
        UsageError: no plan is matched on it.
    """
    name = known_finding(dataset, name)
    columns = ["split", "view", "host_id", "donor_id", "donor_sentence", *MEASURES]
    matched = pads.field("disease").cast(pa.string()) == name
    plans = dataset.table("plans").to_table(columns=columns, filter=matched)
    where = Counter(zip(plans["split"].to_pylist(), plans["view"].cast(pa.string()).to_pylist(), strict=True))
    sentences = Counter(plans["donor_sentence"].to_pylist())
    most = sorted(sentences.items(), key=lambda s: (-s[1], s[0]))[:_MOST_SENTENCES]
    row = next(row for row in _findings(dataset) if row["finding"] == name)
    return {
        **row,
        "hosts": pc.count_distinct(plans["host_id"]).as_py(),
        "donors": pc.count_distinct(plans["donor_id"]).as_py(),
        "sentences": len(sentences),
        "where": [{"split": s, "view": v, "plans": n} for (s, v), n in sorted(where.items())],
        "measures": measures(plans),
        "most_used": [{"sentence": sentence, "plans": n} for sentence, n in most],
    }


def known_finding(dataset: Dataset, name: str) -> str:
    """A finding as the dataset writes it, for a name in any case.

    Raises:
        UsageError: no plan is matched on it; the message names the findings for which there are plans.
    """
    known = dataset.manifest.counts.plans_by_disease
    if name in known:
        return name
    alike = {finding.casefold(): finding for finding in known}
    if name.casefold() in alike:
        return alike[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), alike, n=1)
    hint = f"did you mean {alike[near[0]]}? " if near else ""
    raise UsageError(f"no plan is matched on {name!r}; {hint}there are plans for {', '.join(known)}")


def measures(plans: pa.Table) -> Facts:
    """Minimum, quartiles, maximum and mean of λ, map area and both presence scores; empty where there is no plan."""
    told = {}
    for name in MEASURES if plans.num_rows else ():
        values = plans[name].to_numpy()
        points = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        names = ("min", "q1", "median", "q3", "max", "mean")
        told[name] = {n: round(float(v), 4) for n, v in zip(names, [*points, values.mean()], strict=True)}
    return told


def _splits(dataset: Dataset) -> list[Facts]:
    shards = dataset.manifest.shards
    told = []
    for split in sorted({s.split for s in shards}):
        own = [s for s in shards if s.split == split]
        sums = {name: sum(getattr(s, name) for s in own) for name in ("samples", "plans", "bytes")}
        told.append({"split": split, "shards": len(own), **sums})
    return told


def _findings(dataset: Dataset) -> list[Facts]:
    said: Counter[tuple[str, str]] = Counter()  # of (finding, assertion)
    for batch in dataset.table("samples").to_batches(columns=["labels"]):
        for labels in batch["labels"].to_pylist():
            said.update(labels)
    plans = dataset.manifest.counts.plans_by_disease
    return [
        {"finding": name, **{a: said[name, a] for a in ASSERTIONS}, "plans": plans.get(name, 0)}
        for name in dataset.manifest.diseases
    ]


def _rejects(dataset: Dataset) -> list[Facts]:
    rows = dataset.table("rejects").to_table(columns=["stage", "reason"])
    counted = Counter(zip(rows["stage"].to_pylist(), rows["reason"].to_pylist(), strict=True))
    ordered = sorted(counted.items(), key=lambda c: (-c[1], c[0]))
    return [{"stage": stage, "reason": reason, "count": n} for (stage, reason), n in ordered]


def sample(dataset: Dataset, sample_id: str) -> Facts:
    """One sample: its row, what its maps were computed for, and the plans in which it is host or donor.

    Raises:
        DataError: there is no such sample, or its shard is damaged.
    """
    row = dataset.sample(sample_id)
    plans = [
        {"plan_id": plan["plan_id"], "role": role, "disease": plan["disease"], "partner": plan[f"{partner}_id"]}
        for role, partner in (("host", "donor"), ("donor", "host"))
        for plan in dataset.rows_in("plans", f"{role}_id", [sample_id])
    ]
    return {"sample": row, "maps": dataset.record(sample_id)["maps"], "plans": plans}

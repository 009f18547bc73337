"""Checks of a shard's plans: the records against the table, and host, donor, report and maps against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medcutmix_pipeline.dataset.problems import Problem, expect
from medcutmix_pipeline.schemas.records import Edit
from medcutmix_pipeline.stages.plans.edits import apply_edits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_plans(
    records: Sequence[dict[str, Any]], texts: Sequence[str], rows: Sequence[dict[str, Any]], shard: str
) -> Iterator[Problem]:
    """The plans of a shard: in the records, in the table, and between host and donor."""
    told = [(place, plan) for place, record in enumerate(records) for plan in record["plans"]]
    if [p["plan_id"] for _, p in told] != [row["plan_id"] for row in rows]:
        yield Problem(shard, "the plans of the records are not those of the plans table, in the same order")
        return
    for (place, plan), row in zip(told, rows, strict=True):
        where = f"{shard}/{records[place]['sample_id']} plan {plan['plan_id']}"
        if not 0 <= plan["donor"] < len(records):
            yield Problem(where, "the donor's place is not in the shard")
            continue
        host, donor = records[place], records[plan["donor"]]
        yield from _check_partners(host, donor, plan, row, where)
        yield from _check_text(texts[place], host, plan, row, where)


def _check_partners(
    host: dict[str, Any], donor: dict[str, Any], plan: dict[str, Any], row: dict[str, Any], where: str
) -> Iterator[Problem]:
    disease = plan["disease"]
    ids = (host["sample_id"], donor["sample_id"], disease, host["view"], host["split"])
    yield from expect(donor["sample_id"] == plan["donor_id"], where, "donor and donor_id name different samples")
    told = (row["host_id"], row["donor_id"], row["disease"], row["view"], row["split"])
    yield from expect(ids == told, where, "record and row disagree on host, donor, disease, view or split")
    yield from expect(host["patient_id"] != donor["patient_id"], where, "host and donor are of one patient")
    yield from expect(host["split"] == donor["split"], where, "host and donor are of two splits")
    yield from expect(host["view"] == donor["view"], where, "host and donor show two views")
    both = host["labels"].get(disease) == donor["labels"].get(disease) == "present"
    yield from expect(both, where, "host and donor do not both have the disease")
    for record, index, sentence, score in (
        (host, plan["host_map"], row["host_sentence"], row["host_score"]),
        (donor, plan["donor_map"], row["donor_sentence"], row["donor_score"]),
    ):
        if not 0 <= index < len(record["maps"]):
            yield Problem(where, "a map that it names is not there")
            continue
        named = record["maps"][index]
        same = (named["disease"], named["sentence"]) == (disease, sentence) and np.float32(
            named["score"]
        ) == np.float32(score)
        yield from expect(bool(same), where, "a map is of another disease, sentence or score than the plan")


def _check_text(
    text: str, host: dict[str, Any], plan: dict[str, Any], row: dict[str, Any], where: str
) -> Iterator[Problem]:
    edits = tuple(Edit(*edit) for edit in plan["edits"])
    same = edits == tuple(Edit(**edit) for edit in row["edits"])
    yield from expect(same, where, "record and row disagree on the edits")
    ends = [0, *(edit.end for edit in edits)]
    ordered = all(before <= e.start <= e.end <= len(text) for before, e in zip(ends, edits, strict=False))
    yield from expect(ordered and bool(edits), where, "the edits are empty, overlap, or leave the text")
    if ordered:
        yield from expect(apply_edits(text, edits) == row["mixed_text"], where, "the edits do not give the mixed text")
    yield from expect(row["host_text"] == text, where, "host_text is not the host's report")
    yield from expect(any(row["donor_sentence"] in e.text for e in edits), where, "the donor's sentence is not put in")
    yield from expect(
        0 <= plan["lambda"] <= 1 and np.float32(plan["lambda"]) == np.float32(row["lambda"]), where, "λ is off"
    )
    yield from expect(plan["labels"] == dict(row["mixed_labels"]), where, "record and row disagree on the mixed labels")
    yield from expect(
        plan["labels"].get(plan["disease"]) == "present", where, "the disease is not present in the mixed report"
    )
    denied = [d for d, a in host["labels"].items() if a == "absent" and plan["labels"].get(d) == "present"]
    yield from expect(not denied, where, "the mixed report asserts a finding that the host denied")

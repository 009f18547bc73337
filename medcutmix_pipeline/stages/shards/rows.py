"""The records of one shard: each sample's JSON, and the rows of its plans and samples tables."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.stages.attention.maps import map_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.records import Labels, PlacedSample, Plan, Report
    from medcutmix_pipeline.stages.plans.finish import SamplePlans


def sample_json(sample: PlacedSample, samples: Sequence[PlacedSample], labels: Labels, made: SamplePlans) -> bytes:
    """The sample record of the format, as compact UTF-8 JSON."""
    record = {
        "sample_id": sample.sample_id,
        "study_id": sample.study_id,
        "patient_id": sample.patient_id,
        "view": sample.view,
        "split": sample.split,
        "labels": labels,
        "maps": [{"disease": m.disease, "sentence": m.sentence, "score": _decimal(m.score)} for m in made.maps],
        "plans": [_plan_json(p, samples) for p in made.plans],
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plan_json(plan: Plan, samples: Sequence[PlacedSample]) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "disease": plan.disease,
        "donor": plan.donor,
        "donor_id": samples[plan.donor].sample_id,
        "donor_map": plan.donor_map,
        "host_map": plan.host_map,
        "lambda": plan.lam,
        "edits": [[e.start, e.end, e.text] for e in plan.mix.edits],
        "labels": plan.mix.labels,
    }


def plan_rows(
    samples: Sequence[PlacedSample], reports: Sequence[Report], made: Sequence[SamplePlans], shard: str
) -> list[dict[str, Any]]:
    """Rows of the plans table, in the order of hosts."""
    rows = []
    for plan in (p for sample in made for p in sample.plans):
        host, donor = samples[plan.host], samples[plan.donor]
        host_map, donor_map = made[plan.host].maps[plan.host_map], made[plan.donor].maps[plan.donor_map]
        rows.append(
            {
                "plan_id": plan.plan_id,
                "split": host.split,
                "shard": shard,
                "host_id": host.sample_id,
                "donor_id": donor.sample_id,
                "disease": plan.disease,
                "view": host.view,
                "host_sentence": host_map.sentence,
                "donor_sentence": donor_map.sentence,
                "edits": [{"start": e.start, "end": e.end, "text": e.text} for e in plan.mix.edits],
                "host_text": host.text,
                "mixed_text": plan.mix.text,
                "lambda": plan.lam,
                "map_area": map_area(made[plan.donor].pixels[plan.donor_map]),
                "host_score": host_map.score,
                "donor_score": donor_map.score,
                "host_labels": list(reports[plan.host].labels.items()),
                "donor_labels": list(reports[plan.donor].labels.items()),
                "mixed_labels": list(plan.mix.labels.items()),
            }
        )
    return rows


def sample_row(
    sample: PlacedSample,
    labels: Labels,
    plans: int,
    shard: str,
    place: tuple[int, int],
    image: bytes,
    size: tuple[int, int],
) -> dict[str, Any]:
    """A row of the samples table.

    Args:
        plans: number of plans in which the sample is the host.
        place: (offset, size) of its members in the tar, bytes.
        image: the stored image, encoded.
        size: (height, width) of it, px.
    """
    return {
        "sample_id": sample.sample_id,
        "study_id": sample.study_id,
        "patient_id": sample.patient_id,
        "view": sample.view,
        "split": sample.split,
        "shard": shard,
        "text": sample.text,
        "labels": list(labels.items()),
        "n_plans": plans,
        "offset": place[0],
        "size": place[1],
        "image_height": size[0],
        "image_width": size[1],
        "sha256": hashlib.sha256(image).hexdigest(),
    }


def _decimal(score: float) -> float:
    """The shortest decimal that gives the float32 back, so that JSON and Parquet agree."""
    import numpy as np

    return float(str(np.float32(score)))

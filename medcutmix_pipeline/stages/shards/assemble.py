"""One shard's three files from what the stages before made of its samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from medcutmix_pipeline.schemas.tables import PLANS, SAMPLES
from medcutmix_pipeline.stages.plans.finish import Attended, finish_plans
from medcutmix_pipeline.stages.shards.rows import plan_rows, sample_json, sample_row
from medcutmix_pipeline.stages.shards.tar import npy_bytes, write_tar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.schemas.records import PlacedSample
    from medcutmix_pipeline.stages.pairing.draft import Draft


@dataclass(frozen=True)
class StoredImages:
    """The images of a shard as they are stored: encoded bytes, and (height, width) in px, in the samples' order."""

    encoded: list[bytes]
    sizes: list[tuple[int, int]]


@dataclass(frozen=True)
class ShardTables:
    """Rows of a shard for the plans and samples tables, and the mixes that were dropped, by reason."""

    plans: pa.Table
    samples: pa.Table
    plans_by_disease: dict[str, int]
    dropped: dict[str, int]


def write_shard(
    out: BinaryIO,
    shard: str,
    samples: Sequence[PlacedSample],
    images: StoredImages,
    draft: Draft,
    attended: Attended,
    config: Config,
) -> ShardTables:
    """Write a shard's tar to `out` and return its tables.

    `samples`, `images` and `draft.reports` are parallel; their order is that of the shard.
    """
    finished = finish_plans(draft, attended, config.plans)
    suffix = config.shards.image_format

    def members() -> list[tuple[str, dict[str, bytes]]]:
        content = []
        for sample, report, image, made in zip(samples, draft.reports, images.encoded, finished.by_sample, strict=True):
            files = {
                suffix: image,
                "txt": sample.text.encode(),
                "json": sample_json(sample, samples, report.labels, made),
            }
            if made.maps:
                files["attn.npy"] = npy_bytes(made.pixels)
            content.append((sample.sample_id, files))
        return content

    places = write_tar(out, members())
    rows = [
        sample_row(sample, report.labels, len(made.plans), shard, place, image, size)
        for sample, report, made, place, image, size in zip(
            samples, draft.reports, finished.by_sample, places, images.encoded, images.sizes, strict=True
        )
    ]
    plans = plan_rows(samples, draft.reports, finished.by_sample, shard)
    return ShardTables(
        plans=pa.Table.from_pylist(plans, schema=PLANS),
        samples=pa.Table.from_pylist(rows, schema=SAMPLES),
        plans_by_disease=dict(sorted(Counter(row["disease"] for row in plans).items())),
        dropped=dict(sorted(finished.dropped.items())),
    )

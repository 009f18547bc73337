"""The pieces of work of a build, as plain functions: any engine runs these, in any process, with the same result."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import Staged, stage_parquet, staged_file
from medcutmix_pipeline.pipeline.layout import Outcome
from medcutmix_pipeline.schemas.records import ImageRef, PlacedSample, Reject, Study
from medcutmix_pipeline.schemas.tables import CANDIDATES, REJECTS, SENTENCES
from medcutmix_pipeline.stages.attention.encoder import Attention, problem_of
from medcutmix_pipeline.stages.identities import Identities
from medcutmix_pipeline.stages.ingest.samples import Ingested, ingest_samples
from medcutmix_pipeline.stages.pairing.draft import Draft, draft_plans
from medcutmix_pipeline.stages.plans.finish import Attended
from medcutmix_pipeline.stages.reading import PartRows, StudyReader
from medcutmix_pipeline.stages.shards.assemble import StoredImages, write_shard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask, UnitTask
    from medcutmix_pipeline.stages.attention.encoder import Encoder


def read_part(context: Context, task: PartTask) -> Outcome:
    """Read one part of the corpus and write its candidates, sentences and rejects."""
    return write_part(context, task, read_studies(context, task))


def listed_studies(context: Context, task: PartTask) -> list[Study]:
    """The studies of a part as the source lists them."""
    return [_study(row) for row in pq.read_table(context.layout.listing(task.part)).to_pylist()]


def read_studies(context: Context, task: PartTask, chosen: slice = slice(None)) -> PartRows:
    """Read some studies of a part; images are counted from the first image of the first of them."""
    stage = StudyReader(context.config, context.reader, Identities(context.key, context.public_ids))
    return stage.read(listed_studies(context, task)[chosen])


def write_part(context: Context, task: PartTask, rows: PartRows) -> Outcome:
    """Write what reading a part gave."""
    layout = context.layout
    paths = (layout.candidates(task.part), layout.sentences(task.part), layout.part_rejects(task.part))
    tables = (
        pa.Table.from_pylist(rows.candidates, schema=CANDIDATES),
        pa.Table.from_pylist(rows.sentences, schema=SENTENCES),
        rejects_table(rows.rejects),
    )
    files: list[Staged] = []
    for path, table in zip(paths, tables, strict=True):
        stage_parquet(table, path, context.staging, files)
    facts = {
        "studies": pq.read_metadata(layout.listing(task.part)).num_rows,
        "candidates": len(rows.candidates),
        "rejects": _image_rejects(rows.rejects),
    }
    return Outcome(task.name, task.key, facts, files)


def placed_samples(path: Path, rows: range | None = None) -> list[PlacedSample]:
    """The samples of a table, in its order; for a unit, that of its shard. `rows`: only these, which are a run."""
    table = pq.read_table(path)
    table = table if rows is None else table.slice(rows.start, len(rows))
    return [PlacedSample(**row) for row in table.to_pylist()]


def ingest_rows(context: Context, task: IngestTask) -> Ingested:
    """Decode, square and encode the images of some samples; places are counted from the task's first row."""
    return ingest_samples(placed_samples(task.table, task.rows), context.config, context.encoder_size)


def draft_unit(context: Context, task: UnitTask, ingested: Ingested) -> Draft:
    """Draft the plans among those samples of a unit whose images could be used."""
    samples = placed_samples(context.layout.placed(task.unit))
    survivors = [samples[i] for i in ingested.survivors]
    return draft_plans(survivors, context.config, context.reader)


def attend_unit(
    encoder: Encoder, ingested: Ingested, draft: Draft, turn: AbstractContextManager[Any] | None = None
) -> Attention:
    """Ask the encoder for every map that a unit needs; each image that is asked about is encoded once.

    The encoder is asked within `turn`. Raises DataError where its answer is not what `Encoder.attend` is to give.
    """
    requests = draft.requests
    if not requests:
        return Attention(np.zeros((0, 1, 1), np.float32), np.zeros(0, np.float32))
    asked = sorted({r.sample for r in requests})
    place = {sample: i for i, sample in enumerate(asked)}
    images, sentences = ingested.thumbs[asked], [r.sentence for r in requests]
    with turn or nullcontext():
        seen = encoder.attend(images, [place[r.sample] for r in requests], sentences)
    if problem := problem_of(seen, len(requests)):
        raise DataError(f"attention.encoder: {encoder.id} {problem}")
    return seen


def write_unit(context: Context, task: UnitTask, ingested: Ingested, draft: Draft, seen: Attention) -> Outcome:
    """Write a unit's shard and tables. A unit of which no image is left writes no shard."""
    layout = context.layout
    samples = placed_samples(layout.placed(task.unit))
    survivors = [samples[i] for i in ingested.survivors]
    files: list[Staged] = []
    stage_parquet(rejects_table(ingested.rejects), layout.unit_rejects(task.unit), context.staging, files)
    facts: dict[str, Any] = {"split": task.split, "samples": len(survivors), "plans": 0, "dropped": {}}
    facts["truncated"] = seen.truncated
    if survivors:
        attended = Attended.of(seen, context.config.attention.mass)
        facts |= _write_shard(context, task.unit, survivors, ingested, draft, attended, files)
    facts["rejects"] = _image_rejects(ingested.rejects)
    return Outcome(task.name, task.key, facts, files)


def _write_shard(
    context: Context,
    unit: str,
    samples: Sequence[PlacedSample],
    ingested: Ingested,
    draft: Draft,
    attended: Attended,
    files: list[Staged],
) -> dict[str, Any]:
    layout, staging = context.layout, context.staging
    images = StoredImages(ingested.images, ingested.sizes)
    with staged_file(layout.shard(unit), staging, files) as (out, tar):
        tables = write_shard(out, unit, samples, images, draft, attended, context.config)
    plans = stage_parquet(tables.plans, layout.table("plans", unit), staging, files)
    rows = stage_parquet(tables.samples, layout.table("samples", unit), staging, files)
    return {
        "plans": tables.plans.num_rows,
        "plans_by_disease": tables.plans_by_disease,
        "dropped": tables.dropped,
        "bytes": tar.bytes,
        "sha256": {"tar": tar.sha256, "plans": plans.sha256, "samples": rows.sha256},
    }


def rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    """Rows for the rejects table."""
    return pa.Table.from_pylist([asdict(r) for r in rejects], schema=REJECTS)


def _image_rejects(rejects: Sequence[Reject]) -> dict[str, int]:
    return dict(sorted(Counter(r.reason for r in rejects if r.kind == "image").items()))


def _study(row: dict[str, Any]) -> Study:
    images = tuple(ImageRef(**image) for image in row.pop("images"))
    return Study(**row, images=images)

"""What is left of a part or a unit in which an input kills the process that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from medcutmix_pipeline.pipeline.work import listed_studies, placed_samples
from medcutmix_pipeline.schemas.records import Reject
from medcutmix_pipeline.stages.identities import Identities
from medcutmix_pipeline.stages.ingest.samples import Ingested
from medcutmix_pipeline.stages.reading import PartRows, StudyReader

if TYPE_CHECKING:
    from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask


def merged(first: Ingested, second: Ingested, offset: int) -> Ingested:
    """Two neighbouring stretches of a unit as one; `offset` is where the second begins."""
    return Ingested(
        survivors=first.survivors + [offset + i for i in second.survivors],
        images=first.images + second.images,
        sizes=first.sizes + second.sizes,
        thumbs=np.concatenate([first.thumbs, second.thumbs]),
        rejects=first.rejects + second.rejects,
    )


def crashed(context: Context, task: IngestTask) -> Ingested:
    """The task's one sample as a reject."""
    [sample] = placed_samples(task.table, task.rows)
    size = context.encoder_size
    detail = "decoding the image kills the process that tries it"
    reject = Reject("image", sample.sample_id, sample.study_id, "ingest", "decoder-crashed", detail)
    return Ingested([], [], [], np.zeros((0, size, size), np.uint8), [reject])


def crashed_study(context: Context, task: PartTask, place: int) -> PartRows:
    """A study of a part and its images as rejects."""
    stage = StudyReader(context.config, context.reader, Identities(context.key, context.public_ids))
    detail = "reading the study kills the process that tries it"
    return stage.reject(listed_studies(context, task)[place], "reader-crashed", detail)


def joined(first: PartRows, second: PartRows, images: int) -> PartRows:
    """Two neighbouring stretches of a part as one; `images` is how many images the first lists."""
    moved = [{**row, "image": images + cast("int", row["image"])} for row in second.candidates]
    return PartRows(first.candidates + moved, first.sentences + second.sentences, first.rejects + second.rejects)

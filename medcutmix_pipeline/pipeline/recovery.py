"""What is left of a unit in which a sample kills the process that decodes it."""

from __future__ import annotations

import numpy as np

from medcutmix_pipeline.pipeline.work import Context, IngestTask, placed_samples
from medcutmix_pipeline.schemas.records import Reject
from medcutmix_pipeline.stages.ingest.samples import Ingested


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
    sample = placed_samples(task.table)[task.rows.start]
    size = context.encoder_size
    detail = "decoding the image kills the process that tries it"
    reject = Reject("image", sample.sample_id, sample.study_id, "ingest", "decoder-crashed", detail)
    return Ingested([], [], [], np.zeros((0, size, size), np.uint8), [reject])

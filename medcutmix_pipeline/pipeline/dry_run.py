"""What a build would do, without doing it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.schemas.records import PlacedSample, Study
from medcutmix_pipeline.sources import open_source
from medcutmix_pipeline.stages.attention.encoder import check_encoder
from medcutmix_pipeline.stages.ingest.samples import ingest_samples

if TYPE_CHECKING:
    from rich.console import Console

    from medcutmix_pipeline.schemas.config import Config

_TRIED = 24


def dry_run(config: Config, out: str | None, console: Console) -> None:
    """List the source, try a few of its images, and say what a build would make; writes nothing.

    Raises:
        UsageError, DataError: as a build would before it starts.
    """
    source = open_source(config.source)
    check_encoder(config.attention)
    studies = images = without_report = 0
    tried: list[tuple[int, Study]] = []
    for study in itertools.islice(source.studies(), config.source.limit):
        studies += 1
        images += len(study.images)
        without_report += study.report is None and study.report_uri is None
        # The studies to try are those with the smallest keyed hash: a fair sample of a stream.
        tried.append((keyed_hash(config.seed, "dry-run", study.study_id), study))
        if len(tried) >= 8 * _TRIED:
            tried = sorted(tried, key=lambda t: t[0])[:_TRIED]
    if not studies:
        raise DataError(
            f"the {config.source.kind} source at {config.source.root} lists no study: is this the right folder?"
        )
    size, usable, asked = _try_images([study for _, study in sorted(tried, key=lambda t: t[0])[:_TRIED]], config)
    shards = -(-images // config.shards.samples_per_shard)
    console.print(
        f"{config.source.kind}: {studies:,} studies, {images:,} images"
        + (f", {without_report:,} without a report" if without_report else "")
        + f"\nabout {shards:,} shards of up to {config.shards.samples_per_shard:,} samples"
        + f"\nabout {images * size / 1e6:,.0f} MB of images, by {usable} of {asked} images tried"
        + f"\nencoder: {config.attention.encoder}, engine: {config.engine.kind}"
        + (f"\noutput: {out}" if out else "")
        + "\nnothing has been written",
        highlight=False,
        soft_wrap=True,
    )


def _try_images(studies: list[Study], config: Config) -> tuple[float, int, int]:
    """Mean size of a stored image in bytes, how many images could be used, and how many were tried."""
    samples = [
        PlacedSample("", "", "", "frontal", "", "", image.uri, image.fingerprint)
        for study in studies
        for image in study.images
        if image.problem is None
    ]
    ingested = ingest_samples(samples, config, encoder_size=16)
    usable = len(ingested.images)
    return sum(map(len, ingested.images)) / max(1, usable), usable, len(samples)

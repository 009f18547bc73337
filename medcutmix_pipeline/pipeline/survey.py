"""What a build would find and need: the source is listed, and a few of its images are tried."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.pipeline.listing import UnreadableRows
from medcutmix_pipeline.pipeline.machine import cpus
from medcutmix_pipeline.schemas.records import PlacedSample, Study
from medcutmix_pipeline.sources import open_source
from medcutmix_pipeline.sources.base import UNREADABLE_ROW
from medcutmix_pipeline.stages.ingest.samples import ingest_samples

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config

_TRIED = 24
# Measured on builds of generated studies and of Open-I (256 px): tar headers, report, record, maps and tables took
# 5 to 6 kB a sample beside its image; a worker, an encoder, and Ray with the driver 0.35, 0.3 and 0.7 GB of their own.
_BESIDE_IMAGE = 7_000
_BESIDE_MIX = 2_600
_WORKER, _ENCODER, _DRIVER = 400_000_000, 400_000_000, 800_000_000


@dataclass(frozen=True)
class Survey:
    """What a source lists, and how the images that were tried came out.

    Attributes:
        tried: images of a few studies, those that the listing already shows to be of no use included.
        stored_bytes: mean size of a stored image.
        reasons: why images that were tried cannot be used, counted.
    """

    studies: int
    images: int
    without_report: int
    tried: int
    usable: int
    stored_bytes: float
    reasons: Counter[str]

    def shards(self, config: Config) -> int:
        """About how many shards."""
        return -(-self.images // config.shards.samples_per_shard)

    def disk(self, config: Config) -> float:
        """About how many bytes the dataset takes, with what stands beside it while it is made.

        Pixel mixes are counted as if each sample had as many plans as one finding allows.
        """
        shards = config.shards
        mixes = (shards.pixel_per_host or config.pairing.plans_per_host) if shards.pixel else 0
        sample = self.stored_bytes + _BESIDE_IMAGE + mixes * (self.stored_bytes + _BESIDE_MIX)
        in_making = 2 * (config.engine.workers or cpus()) * shards.samples_per_shard
        return (self.images + min(self.images, in_making)) * sample

    def memory(self, config: Config) -> float:
        """About how many bytes of memory a build takes on one machine, by the number of its processes."""
        if config.engine.kind == "serial":
            workers, encoders, fixed = 1, 0, _DRIVER // 2
        else:
            workers = config.engine.workers or cpus()
            encoders, fixed = config.engine.encoders or max(1, workers // 2), _DRIVER
        side = config.attention.fit.image_size
        unit = config.shards.samples_per_shard * (self.stored_bytes + side**2) * 3
        return fixed + workers * (_WORKER + unit) + encoders * (_ENCODER + unit)

    def told_reasons(self) -> str:
        """Why images cannot be used, in words."""
        return ", ".join(f"{reason} {n}" for reason, n in sorted(self.reasons.items()))


def survey(config: Config) -> Survey:
    """List the source and try a few of its images; writes nothing.

    Raises:
        UsageError, DataError: as a build would before it starts; or the source lists no study.
    """
    source = open_source(config.source)
    studies = images = without_report = 0
    unreadable = UnreadableRows()
    tried: list[tuple[int, Study]] = []
    for study in itertools.islice(source.studies(), config.source.limit):
        studies += 1
        images += len(study.images)
        without_report += study.report is None and study.report_uri is None and study.problem != UNREADABLE_ROW
        unreadable.see(study)
        # The studies to try are those with the smallest keyed hash: a fair sample of a stream.
        tried.append((keyed_hash(config.seed, "dry-run", study.study_id), study))
        if len(tried) >= 8 * _TRIED:
            tried = sorted(tried, key=lambda t: t[0])[:_TRIED]
    if not studies:
        raise DataError(
            f"the {config.source.kind} source at {config.source.root} lists no study: is this the right folder?"
        )
    unreadable.stop_if_too_many(images, config)
    listed = [
        (study.problem or image.problem, image)
        for _, study in sorted(tried, key=lambda t: t[0])[:_TRIED]
        for image in study.images
    ]
    samples = [
        PlacedSample("", "", "", "frontal", "", "", image.uri, image.fingerprint)
        for problem, image in listed
        if problem is None
    ]
    ingested = ingest_samples(samples, config, encoder_size=16)
    usable = len(ingested.images)
    return Survey(
        studies=studies,
        images=images,
        without_report=without_report,
        tried=len(listed),
        usable=usable,
        stored_bytes=sum(map(len, ingested.images)) / max(1, usable),
        reasons=Counter(
            [problem for problem, _ in listed if problem is not None] + [reject.reason for reject in ingested.rejects]
        ),
    )

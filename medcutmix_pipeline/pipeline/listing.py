"""Listing the corpus: the source's studies, cut into parts that tasks can read."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.pipeline.atomic import write_parquet
from medcutmix_pipeline.remembering import Remembered
from medcutmix_pipeline.schemas.tables import IMAGE_REF, LISTING
from medcutmix_pipeline.sources.base import UNREADABLE_ROW
from medcutmix_pipeline.stages.identities import assign_split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.schemas.records import Study
    from medcutmix_pipeline.sources import Source

_IMAGE = [part.name for part in IMAGE_REF]


@dataclass
class Listing:
    """How much the source listed, the sha256 of each part's rows, and why studies have no image."""

    studies: int = 0
    images: int = 0
    parts: list[str] = field(default_factory=list)
    without_image: Counter[str] = field(default_factory=Counter)

    def told_without_image(self) -> str:
        """Why studies have no image, most frequent first, in words."""
        told = ", ".join(f"{reason} {n:,}" for reason, n in self.without_image.most_common())
        return f"no image is listed ({told})"


@dataclass
class UnreadableRows:
    """Counts rows of the source's table that cannot be understood. They list no image, but most likely had one.

    `first` is the place of the first, and what is wrong with it.
    """

    count: int = 0
    first: str = ""

    def see(self, study: Study) -> None:
        """Count the study if it stands for such a row."""
        if study.problem == UNREADABLE_ROW:
            self.count += 1
            self.first = self.first or study.detail

    def stop_if_too_many(self, images: int, config: Config) -> None:
        """Raise DataError where more of the rows are unreadable than inputs may be rejected."""
        most, of = config.engine.max_reject_rate, self.count + images
        if self.count and self.count / of > most:
            raise DataError(
                f"{self.count:,} of {of:,} rows of the table cannot be understood, "
                f"more than engine.max_reject_rate={most:g} allows; the first is {self.first}"
            )


def list_studies(source: Source, config: Config, layout: Layout, tick: Callable[[int], None]) -> Listing:
    """Write the source's studies to the working folder, part by part; at no time is more than a part in memory.

    Raises:
        DataError: the source lists no study, or too many rows that cannot be understood.
    """
    listing, unreadable = Listing(), UnreadableRows()
    studies = with_one_split_a_patient(itertools.islice(source.studies(), config.source.limit), config)
    while part := list(itertools.islice(studies, config.ingest.studies_per_part)):
        written = write_parquet(_listed(part), layout.listing(len(listing.parts)), layout.scratch)
        listing.parts.append(written.sha256)
        listing.studies += len(part)
        listing.images += sum(len(s.images) for s in part)
        listing.without_image.update(s.problem or "study-without-image" for s in part if not s.images)
        for study in part:
            unreadable.see(study)
        tick(len(part))
    if not listing.studies:
        raise DataError(f"the {source.kind} source at {config.source.root} lists no study: is this the right folder?")
    unreadable.stop_if_too_many(listing.images, config)
    return listing


def _listed(studies: Sequence[Study]) -> pa.Table:
    """The studies as rows of the listing; column by column, because `asdict` copies every word of them."""
    columns: dict[str, list[Any]] = {name: [getattr(study, name) for study in studies] for name in LISTING.names}
    columns["images"] = [
        [{name: getattr(image, name) for name in _IMAGE} for image in images] for images in columns["images"]
    ]
    return pa.Table.from_pydict(columns, schema=LISTING)


def with_one_split_a_patient(studies: Iterable[Study], config: Config) -> Iterator[Study]:
    """The same studies, none of whose patients stands in two splits.

    The patient's first study decides. A later one for which the source names no split goes with it; one for which
    the source names another split has the problem `split-conflict`. Remembers 64 bits and a word for each patient.
    """
    splits = Remembered()
    for study in studies:
        split = assign_split(study.split, study.patient_id, config.splits, config.seed)
        if study.problem is not None or split is None:
            yield study
            continue
        decided = splits.before(keyed_hash(0, "patient", study.patient_id), split) or split
        if decided == split:
            yield study
        elif study.split is None:
            yield replace(study, split=decided)
        else:
            yield replace(study, problem="split-conflict")

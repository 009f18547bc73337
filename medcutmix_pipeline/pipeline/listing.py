"""Listing the corpus: the source's studies, cut into parts that tasks can read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.pipeline.atomic import write_parquet
from medcutmix_pipeline.remembering import Remembered
from medcutmix_pipeline.schemas.tables import IMAGE_REF, LISTING
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
    """How much the source listed, and the sha256 of each part's rows."""

    studies: int = 0
    images: int = 0
    parts: list[str] = field(default_factory=list)


def list_studies(source: Source, config: Config, layout: Layout, tick: Callable[[int], None]) -> Listing:
    """Write the source's studies to the working folder, part by part; at no time is more than a part in memory.

    Raises:
        DataError: the source lists no study.
    """
    listing = Listing()
    studies = with_one_split_a_patient(itertools.islice(source.studies(), config.source.limit), config)
    while part := list(itertools.islice(studies, config.ingest.studies_per_part)):
        written = write_parquet(_listed(part), layout.listing(len(listing.parts)), layout.scratch)
        listing.parts.append(written.sha256)
        listing.studies += len(part)
        listing.images += sum(len(s.images) for s in part)
        tick(len(part))
    if not listing.studies:
        raise DataError(f"the {source.kind} source at {config.source.root} lists no study: is this the right folder?")
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

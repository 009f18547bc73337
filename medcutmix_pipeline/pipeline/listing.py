"""Listing the corpus: the source's studies, cut into parts that tasks can read."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import write_parquet
from medcutmix_pipeline.schemas.tables import LISTING

if TYPE_CHECKING:
    from collections.abc import Callable

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.sources import Source


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
    studies = itertools.islice(source.studies(), config.source.limit)
    while part := list(itertools.islice(studies, config.ingest.studies_per_part)):
        table = pa.Table.from_pylist([asdict(s) for s in part], schema=LISTING)
        written = write_parquet(table, layout.listing(len(listing.parts)), layout.scratch)
        listing.parts.append(written.sha256)
        listing.studies += len(part)
        listing.images += sum(len(s.images) for s in part)
        tick(len(part))
    if not listing.studies:
        raise DataError(f"the {source.kind} source at {config.source.root} lists no study: is this the right folder?")
    return listing

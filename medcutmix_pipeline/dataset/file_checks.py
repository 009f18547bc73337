"""Checks of a dataset's files as such: none is missing, unknown, of other bytes or of another schema than is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.dataset.problems import Problem, expect
from medcutmix_pipeline.hashing import file_sha256
from medcutmix_pipeline.schemas.tables import TABLES
from medcutmix_pipeline.stages.attention.encoder import FIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medcutmix_pipeline.dataset.open import Dataset


def check_files(dataset: Dataset) -> Iterator[Problem]:
    """All but the shards' own files, whose content is checked with their hashes."""
    yield from _strays(dataset)
    yield from _tables(dataset)
    yield from _encoder(dataset)
    yield from _schemas(dataset)


def check_bytes(path: Path, name: str, sha256: str) -> Iterator[Problem]:
    """A file that is gone, or of other bytes than were written."""
    if not path.is_file():
        yield Problem(name, "the file is missing")
    else:
        yield from expect(file_sha256(path) == sha256, name, "the file has another sha256 than dataset.json says")


def _strays(dataset: Dataset) -> Iterator[Problem]:
    """No file that nobody knows of."""
    shards = dataset.manifest.shards
    names = {s.name for s in shards}
    baked = {s.name for s in shards if s.pixel}
    kinds = (("shards", ".tar", names), ("plans", ".parquet", names), ("samples", ".parquet", names))
    for kind, suffix, own in (*kinds, ("pixel", ".tar", baked)):
        for path in sorted((dataset.folder / kind).glob("*")):
            known = path.suffix == suffix and path.stem in own
            yield from expect(known, f"{kind}/{path.name}", "dataset.json does not know this file")


def _tables(dataset: Dataset) -> Iterator[Problem]:
    """The files of the sentences and rejects."""
    told = dataset.manifest.tables
    for name, sha in told.items():
        yield from check_bytes(dataset.folder / name, name, sha)
    for path in sorted(p for kind in ("sentences", "rejects") for p in (dataset.folder / kind).glob("*")):
        name = f"{path.parent.name}/{path.name}"
        yield from expect(not told or name in told, name, "dataset.json does not know this file")


def _encoder(dataset: Dataset) -> Iterator[Problem]:
    """The weights of an encoder that was fitted."""
    encoder = dataset.manifest.encoder
    if encoder.id != FIT:
        return
    from medcutmix_pipeline.stages.attention.checkpoint import checkpoint_sha256  # torch takes seconds to import

    try:
        same = checkpoint_sha256(dataset.folder / "encoder") == encoder.sha256
    except OSError:
        yield Problem("encoder", "the fitted encoder is missing or cannot be read")
    else:
        yield from expect(same, "encoder", "the encoder has another sha256 than dataset.json says")


def _schemas(dataset: Dataset) -> Iterator[Problem]:
    for kind, wanted in TABLES.items():
        for path in sorted((dataset.folder / kind).glob("*.parquet")):
            where = f"{kind}/{path.name}"
            try:
                found = pq.read_schema(path)
            except (pa.ArrowException, OSError):
                yield Problem(where, "cannot be read as Parquet")
                continue
            for field in wanted:
                there = field.name in found.names and found.field(field.name).type == field.type
                yield from expect(there, where, f"column {field.name} is missing or not {field.type}")

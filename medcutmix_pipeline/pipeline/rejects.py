"""The rejects table of a dataset, gathered from what each piece of work rejected."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.atomic import parquet_bytes
from medcutmix_pipeline.schemas.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Layout

_REJECTS_PER_FILE = 100_000


def some_rejects(layout: Layout, path: Path, told: Mapping[str, Any]) -> list[pa.Table]:
    """A table of rejects that a piece of work wrote, if it has a row. Most have none, which their marks tell."""
    _, sha256 = told["files"][path.relative_to(layout.out).as_posix()]
    return [] if sha256 == _no_rejects_sha256() else [pq.read_table(path)]


@functools.cache
def _no_rejects_sha256() -> str:
    return hashlib.sha256(parquet_bytes(REJECTS.empty_table())).hexdigest()


def all_rejects(layout: Layout, early: Sequence[pa.Table], late: Sequence[pa.Table], shards: Iterable[str]) -> pa.Table:
    """All rejects, sorted; studies that lost their last image while shards were made are added.

    Args:
        early: what reading reports rejected.
        late: what making shards rejected.
        shards: names of those that have a sample.
    """
    suspects = set(pc.unique(pa.concat_tables([REJECTS.empty_table(), *late])["study"]).to_pylist())
    for shard in shards if suspects else ():
        there = pq.read_table(layout.table("samples", shard), columns=["study_id"])["study_id"]
        suspects.difference_update(pc.unique(there).to_pylist())  # in time of the shard, however many are suspected
    lost = [
        {
            "input": study,
            "stage": "ingest",
            "reason": "study-without-usable-image",
            "detail": "none can be used",
            "kind": "study",
            "study": study,
        }
        for study in sorted(suspects)
    ]
    table = pa.concat_tables([REJECTS.empty_table(), *early, *late, pa.Table.from_pylist(lost, schema=REJECTS)])
    return table.sort_by([(name, "ascending") for name in ("kind", "study", "input", "stage", "reason")])


def rejects_files(layout: Layout, rejects: pa.Table) -> dict[Path, bytes]:
    """The files of the rejects table, at least one."""
    starts = range(0, max(1, rejects.num_rows), _REJECTS_PER_FILE)
    return {
        layout.out / "rejects" / f"part-{part:05d}.parquet": parquet_bytes(rejects.slice(start, _REJECTS_PER_FILE))
        for part, start in enumerate(starts)
    }

"""Taking up rejected inputs again where nothing shows from outside that they were mended.

A build knows an input by its address, size and time of change (in an object store, by the store's own mark of a
version), so that one that was mended in place is read again by any build. It cannot see that permissions were mended,
that a file came back from a copy with its old time, that a decoder was installed, or what happened behind a URL. So
what was rejected while it was read is read once more, and nothing else is; a piece of work in which an input has
another outcome now loses its mark, and is made again as if it had never been done.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.atomic import remove
from medcutmix_pipeline.pipeline.engine import CrashError
from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask, UnitTask, part_name
from medcutmix_pipeline.pipeline.work import listed_studies, placed_samples, rejects_table
from medcutmix_pipeline.stages.identities import Identities
from medcutmix_pipeline.stages.reading import StudyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medcutmix_pipeline.pipeline.engine import Engine
    from medcutmix_pipeline.schemas.records import Reject
    from medcutmix_pipeline.stages.ingest.samples import Ingested

_CRASHED = "reader-crashed"

Rows = list[dict[str, Any]]
"""Rows of a rejects table."""


@dataclass(frozen=True)
class Again:
    """Parts whose rejected studies are to be read again."""

    parts: tuple[int, ...]


def retry_parts(engine: Engine, context: Context, tasks: Sequence[PartTask], tick: Callable[[int], None]) -> None:
    """Forget the parts in which a study or an image that was rejected has another outcome now.

    Args:
        tick: told how many rejected inputs were looked at.
    """
    layout, known = context.layout, []
    for task in tasks:
        facts = layout.facts(task.name, task.key)
        if facts is None or layout.damaged(facts):
            continue
        rejects = _rows(layout.part_rejects(task.part))
        if any(row["reason"] == _CRASHED for row in rejects):
            remove(layout.done(task.name))  # reading it here would crash again; the build knows how to go about that
        elif rejects:
            known.append(task)
            tick(len(rejects))
    if known:
        for part in _other_outcome(engine, context, tuple(task.part for task in known)):
            remove(layout.done(part_name(part)))


def _other_outcome(engine: Engine, context: Context, parts: tuple[int, ...]) -> tuple[int, ...]:
    layout = context.layout
    reads = [file for part in parts for file in (layout.listing(part), layout.part_rejects(part))]
    try:
        return engine.call(_read_again, context, Again(parts), reads)
    except CrashError:  # one of them kills its reader now; the build will find out which
        return parts


def _read_again(context: Context, task: Again) -> tuple[int, ...]:
    """Those of the parts of which a rejected study does not give the same rejects again."""
    names = Identities(context.key, context.public_ids)
    reader = StudyReader(context.config, context.reader, names)
    changed = []
    for part in task.parts:
        before = _rows(context.layout.part_rejects(part))
        rejected = {row["study"] for row in before}
        studies = [s for s in listed_studies(context, PartTask(part, "")) if names.study(s.study_id) in rejected]
        if _comparable(reader.read(studies).rejects) != _sorted(before):
            changed.append(part)
    return tuple(changed)


def retry_units(engine: Engine, context: Context, tasks: Sequence[UnitTask], tick: Callable[[int], None]) -> None:
    """Forget the units in which an image that was rejected has another outcome now."""
    layout, before = context.layout, dict[str, Rows]()
    again: list[IngestTask] = []
    owners: list[str] = []
    for task in tasks:
        facts = layout.facts(task.name, task.key)
        if facts is None or not facts["rejects"] or layout.damaged(facts):
            continue
        before[task.name] = _rows(layout.unit_rejects(task.unit))
        rejected = {row["input"] for row in before[task.name]}
        table = layout.placed(task.unit)
        places = [i for i, sample in enumerate(placed_samples(table)) if sample.sample_id in rejected]
        again += [IngestTask(table, range(i, i + 1)) for i in places]
        owners += [task.name] * len(places)
    now = defaultdict[str, list["Reject"]](list)
    for owner, ingested in zip(owners, engine.ingest(context, again), strict=True):
        now[owner] += ingested.rejects
        tick(1)
    for name, rows in before.items():
        if _comparable(now[name]) != _sorted(rows):
            remove(layout.done(name))


def retry_encoder(engine: Engine, context: Context, tick: Callable[[int], None]) -> None:
    """Forget the fitted encoder where an image that was chosen for it and could not be used can be used now."""
    layout = context.layout
    unused = (layout.facts("encoder") or {}).get("unused", [])
    table = layout.work / "fit.parquet"
    rows = [row for row in unused if row < pq.read_metadata(table).num_rows]
    sized = replace(context, encoder_size=context.config.attention.fit.image_size)
    for ingested in _each(engine, sized, table, rows):
        tick(1)
        if ingested.survivors:
            remove(layout.done("encoder"))
            return


def _each(engine: Engine, context: Context, table: Path, rows: Sequence[int]) -> list[Ingested]:
    return list(engine.ingest(context, [IngestTask(table, range(row, row + 1)) for row in rows]))


def _rows(path: Path) -> Rows:
    rows: Rows = pq.read_table(path).to_pylist()
    return rows


def _comparable(rejects: Sequence[Reject]) -> Rows:
    return _sorted(rejects_table(rejects).to_pylist())


def _sorted(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: tuple(row.values()))

"""The last steps of a build: what the units say, the rejects, the card, and `dataset.json` at the very end."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import json_bytes, parquet_bytes, remove, write_bytes
from medcutmix_pipeline.pipeline.identity import public_config
from medcutmix_pipeline.pipeline.layout import Layout, digest
from medcutmix_pipeline.pipeline.pixel import pixel_tasks
from medcutmix_pipeline.pipeline.work import part_name
from medcutmix_pipeline.schemas.manifest import (
    Counts,
    DatasetManifest,
    EncoderFacts,
    PixelFacts,
    ShardFacts,
    ShardHashes,
    SourceFacts,
)
from medcutmix_pipeline.schemas.tables import REJECTS
from medcutmix_pipeline.stages.card import dataset_card
from medcutmix_pipeline.version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from medcutmix_pipeline.pipeline.listing import Listing
    from medcutmix_pipeline.pipeline.placement import Unit
    from medcutmix_pipeline.pipeline.work import Context

_REJECTS_PER_FILE = 100_000


@dataclass(frozen=True)
class Made:
    """What the stages before have made: the source's listing, the units, and the encoder."""

    listing: Listing
    units: Sequence[Unit]
    encoder: EncoderFacts


def finish(context: Context, made: Made, licence: str, write_run_report: Callable[[], None]) -> DatasetManifest:
    """Complete the dataset; its manifest is the last file to be written.

    Raises:
        DataError: not one plan came out.
    """
    layout = context.layout
    facts = [(unit, layout.facts(unit.name) or {}) for unit in made.units]
    kept = [(unit, told) for unit, told in facts if told["samples"]]
    rejects = _rejects(layout, len(made.listing.parts), [unit.name for unit, _ in facts])
    files = _rejects_files(layout, rejects)
    manifest = _manifest(context, made, kept, rejects, sum((Counter(t["dropped"]) for _, t in facts), Counter()))
    manifest.tables = _hashes(layout, len(made.listing.parts), files)
    if not manifest.counts.plans:
        raise DataError(_no_plan(manifest.counts))
    content = json_bytes(manifest.model_dump(mode="json"))
    unchanged = layout.manifest.is_file() and layout.manifest.read_bytes() == content
    if not unchanged:
        remove(layout.manifest)  # until all of what it tells stands
    for path, table in files.items():
        write_bytes(table, path, layout.scratch)
    _remove_strays(context, manifest.shards, len(made.listing.parts), files)
    card = dataset_card(manifest, licence, _example(layout, [unit.name for unit, told in kept if told["plans"]]))
    write_bytes(card.encode(), layout.out / "README.md", layout.scratch)
    layout.tidy()  # before it is a dataset, so that none is passed on with addresses of the source
    if not unchanged:
        write_run_report()
        write_bytes(content, layout.manifest, layout.scratch)
    return manifest


def _manifest(
    context: Context, made: Made, kept: list[tuple[Unit, dict[str, Any]]], rejects: pa.Table, dropped: Counter[str]
) -> DatasetManifest:
    config = public_config(context.config, context.reader.lexicon_sha256)
    by_disease: Counter[str] = sum((Counter(told["plans_by_disease"]) for _, told in kept), Counter())
    baked = _baked(context, [unit.name for unit, _ in kept])
    shards = [
        ShardFacts(
            name=unit.name,
            split=unit.split,
            samples=told["samples"],
            plans=told["plans"],
            bytes=told["bytes"],
            sha256=ShardHashes(**told["sha256"]),
            pixel=baked.get(unit.name),
        )
        for unit, told in kept
    ]
    return DatasetManifest(
        format_version=FORMAT_VERSION,
        tool_version=__version__,
        config=config,
        config_hash=digest(config),
        source=SourceFacts(kind=context.config.source.kind, studies=made.listing.studies, images=made.listing.images),
        encoder=made.encoder,
        diseases=list(context.reader.findings),
        counts=Counts(
            samples=sum(s.samples for s in shards),
            plans=sum(s.plans for s in shards),
            rejects=_sorted(Counter(rejects["reason"].to_pylist())),
            plans_by_disease=_sorted(by_disease),
            dropped_mixes=_sorted(dropped),
        ),
        shards=shards,
    )


def _baked(context: Context, units: Sequence[str]) -> dict[str, PixelFacts]:
    """What the pixel mixes of the units say of themselves, where they were asked for and there are any."""
    told = {task.unit: context.layout.facts(task.name) or {} for task in pixel_tasks(context, units)}
    return {unit: PixelFacts(**facts["pixel"]) for unit, facts in told.items()}


def _no_plan(counts: Counts) -> str:
    why = (
        ", ".join(f"{reason} {n:,}" for reason, n in counts.dropped_mixes.items()) or "no two reports could be matched"
    )
    return f"not one mix plan came out of {counts.samples:,} samples ({why}): there is nothing to train with"


def _rejects(layout: Layout, parts: int, units: Sequence[str]) -> pa.Table:
    """All rejects, sorted; studies that lost their last image while shards were made are added."""
    late = [pq.read_table(layout.unit_rejects(unit)) for unit in units]
    early = [pq.read_table(layout.part_rejects(part)) for part in range(parts)]
    suspects = set(pa.concat_tables([REJECTS.empty_table(), *late])["study"].to_pylist())
    for unit in units:
        path = layout.table("samples", unit)
        if suspects and path.is_file():
            suspects.difference_update(pq.read_table(path, columns=["study_id"])["study_id"].to_pylist())
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


def _rejects_files(layout: Layout, rejects: pa.Table) -> dict[Path, bytes]:
    """The files of the rejects table, at least one."""
    starts = range(0, max(1, rejects.num_rows), _REJECTS_PER_FILE)
    return {
        layout.out / "rejects" / f"part-{part:05d}.parquet": parquet_bytes(rejects.slice(start, _REJECTS_PER_FILE))
        for part, start in enumerate(starts)
    }


def _hashes(layout: Layout, parts: int, rejects: Mapping[Path, bytes]) -> dict[str, str]:
    """sha256 of each file of the sentences and rejects, as it was written."""
    hashes = {}
    for part in range(parts):
        name = layout.sentences(part).relative_to(layout.out).as_posix()
        _, hashes[name] = (layout.facts(part_name(part)) or {})["files"][name]
    for path, content in rejects.items():
        hashes[path.relative_to(layout.out).as_posix()] = hashlib.sha256(content).hexdigest()
    return hashes


def _remove_strays(context: Context, shards: Sequence[ShardFacts], parts: int, rejects: Iterable[Path]) -> None:
    """Remove what an earlier configuration left, its fitted encoder included."""
    layout = context.layout
    if context.encoder_folder is None:
        shutil.rmtree(layout.out / "encoder", ignore_errors=True)
    expected = {layout.shard(s.name) for s in shards} | {layout.pixel(s.name) for s in shards if s.pixel}
    expected |= {layout.table(kind, s.name) for kind in ("plans", "samples") for s in shards}
    expected |= {layout.sentences(part) for part in range(parts)}
    layout.remove_strays(expected | set(rejects))


def _example(layout: Layout, units: Sequence[str]) -> dict[str, Any]:
    """A plan to show: the first whose donor map scores best in the first shard."""
    plans = pq.read_table(layout.table("plans", units[0]))
    best: dict[str, Any] = plans.take([pc.index(plans["donor_score"], pc.max(plans["donor_score"]))]).to_pylist()[0]
    return best


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))

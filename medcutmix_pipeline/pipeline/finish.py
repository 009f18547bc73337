"""The last steps of a build: what the units say, the rejects, the card, and `dataset.json` at the very end."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import json_bytes, remove, write_bytes
from medcutmix_pipeline.pipeline.identity import public_config
from medcutmix_pipeline.pipeline.layout import Layout, digest
from medcutmix_pipeline.pipeline.pixel import pixel_tasks
from medcutmix_pipeline.pipeline.rejects import all_rejects, rejects_files, some_rejects
from medcutmix_pipeline.pipeline.tasks import part_name
from medcutmix_pipeline.schemas.manifest import (
    Counts,
    DatasetManifest,
    EncoderFacts,
    PixelFacts,
    ShardFacts,
    ShardHashes,
    SourceFacts,
)
from medcutmix_pipeline.stages.card import dataset_card
from medcutmix_pipeline.version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from medcutmix_pipeline.pipeline.listing import Listing
    from medcutmix_pipeline.pipeline.placement import Unit
    from medcutmix_pipeline.pipeline.tasks import Context


@dataclass(frozen=True)
class Made:
    """What the stages before have made: the source's listing, the units, and the encoder."""

    listing: Listing
    units: Sequence[Unit]
    encoder: EncoderFacts


@dataclass
class _Shards:
    """What the finished units tell, summed up; of each shard only what the manifest has of it is kept."""

    facts: list[ShardFacts] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    plans_by_disease: Counter[str] = field(default_factory=Counter)
    rejects: list[pa.Table] = field(default_factory=list)
    truncated: int = 0

    @classmethod
    def of(cls, layout: Layout, units: Iterable[Unit]) -> _Shards:
        """Read the marks of the units, one after the other."""
        shards = cls()
        for unit in units:
            told = layout.facts(unit.name) or {}
            shards.dropped.update(told["dropped"])
            shards.truncated += told["truncated"]
            shards.rejects += some_rejects(layout, layout.unit_rejects(unit.name), told)
            if told["samples"]:
                shards.plans_by_disease.update(told["plans_by_disease"])
                matters = {name: told[name] for name in ("samples", "plans", "bytes")}
                hashes = ShardHashes(**told["sha256"])
                shards.facts.append(ShardFacts(name=unit.name, split=unit.split, sha256=hashes, **matters))
        return shards


def finish(context: Context, made: Made, licence: str, write_run_report: Callable[[], None]) -> DatasetManifest:
    """Complete the dataset; its manifest is the last file to be written.

    Raises:
        DataError: not one plan came out.
    """
    layout = context.layout
    parts = [layout.facts(part_name(part)) or {} for part in range(len(made.listing.parts))]
    shards = _Shards.of(layout, made.units)
    early = [
        table for part, told in enumerate(parts) for table in some_rejects(layout, layout.part_rejects(part), told)
    ]
    rejects = all_rejects(layout, early, shards.rejects, [shard.name for shard in shards.facts])
    files = rejects_files(layout, rejects)
    manifest = _manifest(context, made, shards, rejects)
    manifest.tables = _hashes(layout, parts, files)
    if not manifest.counts.plans:
        raise DataError(_no_plan(manifest.counts))
    content = json_bytes(manifest.model_dump(mode="json"))
    unchanged = layout.manifest.is_file() and layout.manifest.read_bytes() == content
    if not unchanged:
        remove(layout.manifest)  # until all of what it tells stands
    for path, table in files.items():
        write_bytes(table, path, layout.scratch)
    _remove_strays(context, made, manifest.shards, files)
    card = dataset_card(manifest, licence, _example(layout, next(s.name for s in manifest.shards if s.plans)))
    write_bytes(card.encode(), layout.out / "README.md", layout.scratch)
    layout.tidy()  # before it is a dataset, so that none is passed on with addresses of the source
    if not unchanged:
        write_run_report()
        write_bytes(content, layout.manifest, layout.scratch)
    return manifest


def _manifest(context: Context, made: Made, shards: _Shards, rejects: pa.Table) -> DatasetManifest:
    config = public_config(context.config, context.reader.lexicon_sha256)
    baked = _baked(context, [shard.name for shard in shards.facts])
    for shard in shards.facts:
        shard.pixel = baked.get(shard.name)
    reasons = pc.value_counts(rejects["reason"]).to_pylist()
    return DatasetManifest(
        format_version=FORMAT_VERSION,
        tool_version=__version__,
        config=config,
        config_hash=digest(config),
        source=SourceFacts(kind=context.config.source.kind, studies=made.listing.studies, images=made.listing.images),
        encoder=made.encoder,
        diseases=list(context.reader.findings),
        counts=Counts(
            samples=sum(s.samples for s in shards.facts),
            plans=sum(s.plans for s in shards.facts),
            rejects=_sorted(Counter({told["values"]: told["counts"] for told in reasons})),
            plans_by_disease=_sorted(shards.plans_by_disease),
            dropped_mixes=_sorted(shards.dropped),
            truncated_sentences=shards.truncated,
        ),
        shards=shards.facts,
    )


def _baked(context: Context, units: Sequence[str]) -> dict[str, PixelFacts]:
    """What the pixel mixes of the units say of themselves, where they were asked for and there are any."""
    told = {task.unit: context.layout.facts(task.name) or {} for task in pixel_tasks(context, units)}
    return {unit: PixelFacts(**facts["pixel"]) for unit, facts in told.items()}


def _no_plan(counts: Counts) -> str:
    why = (
        ", ".join(f"{reason} {n:,}" for reason, n in counts.dropped_mixes.items())
        or "no two patients share a finding, a view and a split"
    )
    return f"not one mix plan came out of {counts.samples:,} samples ({why}): there is nothing to train with"


def _hashes(layout: Layout, parts: Sequence[Mapping[str, Any]], rejects: Mapping[Path, bytes]) -> dict[str, str]:
    """sha256 of each file of the sentences and rejects, as it was written."""
    hashes = {}
    for part, told in enumerate(parts):
        name = layout.sentences(part).relative_to(layout.out).as_posix()
        _, hashes[name] = told["files"][name]
    for path, content in rejects.items():
        hashes[path.relative_to(layout.out).as_posix()] = hashlib.sha256(content).hexdigest()
    return hashes


def _remove_strays(context: Context, made: Made, shards: Sequence[ShardFacts], rejects: Iterable[Path]) -> None:
    """Remove what an earlier configuration left, its fitted encoder included."""
    layout = context.layout
    if context.encoder_folder is None:
        shutil.rmtree(layout.out / "encoder", ignore_errors=True)
    expected = {layout.shard(s.name) for s in shards} | {layout.pixel(s.name) for s in shards if s.pixel}
    expected |= {layout.table(kind, s.name) for kind in ("plans", "samples") for s in shards}
    expected |= {layout.sentences(part) for part in range(len(made.listing.parts))}
    layout.remove_strays(expected | set(rejects) | _encoder_files(context) | _state(context, made, shards))


def _encoder_files(context: Context) -> set[Path]:
    """The fitted encoder, and the mark that tells of it."""
    layout = context.layout
    facts = layout.facts("encoder") if context.encoder_folder else None
    return {layout.done("encoder"), *(layout.out / name for name in facts["files"])} if facts else set()


def _state(context: Context, made: Made, shards: Sequence[ShardFacts]) -> set[Path]:
    """What the parts and units of this build left in `.build`, for a later build to go on from.

    What others left there has to go: it holds reports, of studies that may have been withdrawn from the source.
    """
    layout, units = context.layout, [unit.name for unit in made.units]
    parts = range(len(made.listing.parts))
    works = [*map(part_name, parts), *units, *(t.name for t in pixel_tasks(context, [s.name for s in shards]))]
    files = [path for part in parts for path in (layout.candidates(part), layout.part_rejects(part))]
    return {*files, *map(layout.unit_rejects, units), *map(layout.done, works)}


def _example(layout: Layout, unit: str) -> dict[str, Any]:
    """A plan to show: the first whose donor map scores best in a shard."""
    plans = pq.read_table(layout.table("plans", unit))
    best: dict[str, Any] = plans.take([pc.index(plans["donor_score"], pc.max(plans["donor_score"]))]).to_pylist()[0]
    return best


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted((+counts).items()))

"""Whether source, output and key can be read and written, and whether there is room for what a build would make."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from medcutmix_pipeline.doctor.check import Check
from medcutmix_pipeline.errors import PipelineError
from medcutmix_pipeline.outfile import unwritable
from medcutmix_pipeline.pipeline.survey import Survey, survey
from medcutmix_pipeline.schemas.manifest import DatasetManifest
from medcutmix_pipeline.sources.reading import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.schemas.config import Config

_GROUP = "places"
_GIB = 2**30


def places(config: Config, out: str | None) -> Iterator[Check]:
    """Source, output, key, and needs; what was not named is not looked at."""
    found: Survey | None = None
    if config.source.root:
        try:
            found = survey(config)
        except PipelineError as why:
            remedy = "`medcutmix-pipeline sources` shows the layout of each kind"
            yield Check(_GROUP, "source", "problem", str(why), remedy)
        except OSError as why:
            found_out = f"cannot read {why.filename or config.source.root}: {why.strerror}"
            yield Check(_GROUP, "source", "problem", found_out, "let this user read it")
    yield from needed(config, out, found)


def needed(config: Config, out: str | None, found: Survey | None) -> Iterator[Check]:
    """The same, for what was found in the source; None: nothing was."""
    if found is not None:
        yield _source(config, found)
    if out is not None:
        yield _output(config, out, found)
    yield _key(config)
    if found is not None:
        yield from _needs(config, found, _folder(config, out))


def _source(config: Config, found: Survey) -> Check:
    text = f"{config.source.kind}: {found.studies:,} studies, {found.images:,} images"
    if found.without_report:
        text += f", {found.without_report:,} studies without a report"
    if not found.images:
        return Check(_GROUP, "source", "problem", text, "`medcutmix-pipeline sources` shows the layout of each kind")
    if found.usable == found.tried:
        return Check(_GROUP, "source", "ok", f"{text}; {found.tried} images tried, all usable")
    text += f"; {found.tried - found.usable} of {found.tried} images tried cannot be used"
    if 1 - found.usable / found.tried > config.engine.max_reject_rate:
        remedy = "look at these files, or raise --max-reject-rate"
        return Check(_GROUP, "source", "problem", f"{text}: {found.told_reasons()}", remedy)
    return Check(_GROUP, "source", "note", f"{text}: {found.told_reasons()}", "they will stand in the rejects")


def _output(config: Config, out: str, found: Survey | None) -> Check:
    try:
        layout = check_output_place(config, out)
    except PipelineError as why:
        return Check(_GROUP, "output", "problem", str(why), "name another place with --out")
    if layout.manifest.is_file():
        return _over_a_dataset(config, out, layout, found)
    told = "holds an unfinished build, which would be continued" if layout.build.is_dir() else "can be written"
    return Check(_GROUP, "output", "ok", f"{out} {told}")


def check_output_place(config: Config, out: str) -> Layout:
    """Where a build into `out` would work.

    Raises:
        UsageError: a build may not go there, is there already, or may not write there.
        DataError: the disk is full or fails.
    """
    from medcutmix_pipeline.pipeline.lock import check_free
    from medcutmix_pipeline.pipeline.output import check_output

    layout, _ = check_output(config, out)
    check_free(layout.lock)
    try:
        _try_writing(_existing(layout.out))
    except OSError as why:
        raise unwritable(layout.out, why) from None
    return layout


def _over_a_dataset(config: Config, out: str, layout: Layout, found: Survey | None) -> Check:
    """What becomes of the dataset that stands there."""
    try:
        stands = DatasetManifest.model_validate_json(layout.manifest.read_bytes()).source
    except (OSError, ValueError):
        return Check(_GROUP, "output", "note", f"{out} holds a damaged dataset", "`validate` says what is wrong")
    told = f"{out} holds a dataset of {stands.studies:,} studies and {stands.images:,} images ({stands.kind})"
    if found is None or (stands.kind, stands.studies, stands.images) == (
        config.source.kind,
        found.studies,
        found.images,
    ):
        return Check(_GROUP, "output", "ok", f"{told}: only what has changed would be done")
    if stands.kind == config.source.kind:
        return Check(_GROUP, "output", "ok", f"{told}: a build would replace what is no longer listed so")
    remedy = "name another folder with --out to keep it"
    return Check(_GROUP, "output", "note", f"{told}: a build would replace it by one of another source", remedy)


def _try_writing(folder: Path) -> None:
    """Write a file, lock it and rename it, as a build does; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix=".medcutmix-", dir=folder) as scratch:
        path = Path(scratch) / "try"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write("try")
        path.rename(path.with_name("tried"))


def check_key_place(config: Config) -> bool:
    """Whether there is a pseudonym key; False where a build would make one. Raises UsageError as a build would."""
    from medcutmix_pipeline.pipeline.secrets import check_key, key_place, not_made

    if check_key(config.privacy.key_file):
        return True
    path = key_place(config.privacy.key_file)
    try:
        _try_writing(_existing(path.parent))
    except OSError as why:
        raise not_made(path, why) from None
    return False


def _key(config: Config) -> Check:
    from medcutmix_pipeline.pipeline.secrets import key_place

    path = key_place(config.privacy.key_file)
    try:
        there = check_key_place(config)
    except PipelineError as why:
        return Check(_GROUP, "pseudonym key", "problem", str(why), "name one with privacy.key_file")
    told = "keep it, it makes the same pseudonyms again" if there else "will be made by the first build"
    return Check(_GROUP, "pseudonym key", "ok", f"{path}: {told}")


def _needs(config: Config, found: Survey, folder: Path | None) -> Iterator[Check]:
    disk = found.disk(config)
    told = f"about {_size(disk)} for {found.images:,} images, in shards of {config.shards.samples_per_shard:,}"
    if folder is None:
        yield Check(_GROUP, "disk", "ok", told)
    else:
        free = shutil.disk_usage(_existing(folder)).free
        enough = free > disk
        remedy = "" if enough else "name a larger disk with --out, or store smaller images (shards.image_size)"
        yield Check(_GROUP, "disk", "ok" if enough else "problem", f"{told}; {_size(free)} are free", remedy)
    memory, there = found.memory(config), psutil.virtual_memory().available
    enough = there > memory or config.engine.ray_address is not None
    remedy = "" if enough else "take fewer --workers, or smaller shards (shards.samples_per_shard)"
    told = f"about {_size(memory)}; {_size(there)} are free here"
    yield Check(_GROUP, "memory", "ok" if enough else "note", told, remedy)


def _size(count: float) -> str:
    return f"{count / _GIB:,.1f} GiB" if count >= _GIB else f"{count / 2**20:,.0f} MiB"


def _folder(config: Config, out: str | None) -> Path | None:
    """Where a build would write on a disk of this machine."""
    place = config.engine.work_dir if out is not None and protocol(out) else out
    return None if place is None else Path(place)


def _existing(path: Path) -> Path:
    """The path, or the nearest above it that there is."""
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.exists())

"""What a build would do, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.doctor.places import check_key_place, check_output_place, needed
from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.identity import with_whole_paths
from medcutmix_pipeline.pipeline.survey import Survey, survey
from medcutmix_pipeline.stages.attention.encoder import check_encoder
from medcutmix_pipeline.stages.pairing.excluded import check_excluded
from medcutmix_pipeline.stages.sentences.opening import open_reader

if TYPE_CHECKING:
    from rich.console import Console

    from medcutmix_pipeline.schemas.config import Config


def dry_run(config: Config, out: str | None, console: Console) -> None:
    """List the source, try a few of its images, and say what a build would make; writes nothing.

    Looks at what `doctor` looks at, but for the packages and Ray, which takes seconds to start.

    Raises:
        UsageError, DataError: as a build would before it starts.
        DataError: what was found would stop a build; told after the rest.
    """
    config = with_whole_paths(config)
    check_encoder(config.attention)
    check_excluded(config.pairing, open_reader(config.sentences).findings)
    check_key_place(config)
    if out is not None:
        check_output_place(config, out)
    found = survey(config)
    checks = list(needed(config, out, found))
    output = next((check.found for check in checks if check.name == "output"), None)
    console.print(_told(config, found, output), highlight=False, markup=False, soft_wrap=True)
    problems = [f"{check.found} ({check.remedy})" for check in checks if check.status == "problem"]
    if problems:
        raise DataError(f"a build would stop: {'; '.join(problems)}")


def _told(config: Config, found: Survey, output: str | None) -> str:
    shards, size = found.shards(config), found.images * found.stored_bytes / 1e6
    counted = f"{shards:,} shard{'' if shards == 1 else 's'}"
    return (
        f"{config.source.kind}: {found.studies:,} studies, {found.images:,} images"
        + (f", {found.without_report:,} without a report" if found.without_report else "")
        + f"\nabout {counted} of up to {config.shards.samples_per_shard:,} samples"
        + f"\nabout {size:,.{1 if size < 10 else 0}f} MB of images, "
        + f"estimated from {found.usable} of {found.tried} images tried"
        + (f" (the others cannot be used: {found.told_reasons()})" if found.reasons else "")
        + f"\nencoder: {config.attention.encoder}, engine: {config.engine.kind}"
        + (f"\noutput: {output}" if output else "")
        + "\nnothing has been written"
    )

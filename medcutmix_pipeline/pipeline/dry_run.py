"""What a build would do, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.survey import survey
from medcutmix_pipeline.stages.attention.encoder import check_encoder

if TYPE_CHECKING:
    from rich.console import Console

    from medcutmix_pipeline.schemas.config import Config


def dry_run(config: Config, out: str | None, console: Console) -> None:
    """List the source, try a few of its images, and say what a build would make; writes nothing.

    Raises:
        UsageError, DataError: as a build would before it starts.
    """
    check_encoder(config.attention)
    found = survey(config)
    shards, size = found.shards(config), found.images * found.stored_bytes / 1e6
    counted = f"{shards:,} shard{'s' if shards > 1 else ''}"
    console.print(
        f"{config.source.kind}: {found.studies:,} studies, {found.images:,} images"
        + (f", {found.without_report:,} without a report" if found.without_report else "")
        + f"\nabout {counted} of up to {config.shards.samples_per_shard:,} samples"
        + f"\nabout {size:,.{1 if size < 10 else 0}f} MB of images, "
        + f"estimated from {found.usable} of {found.tried} images tried"
        + (f" (the others cannot be used: {found.told_reasons()})" if found.reasons else "")
        + f"\nencoder: {config.attention.encoder}, engine: {config.engine.kind}"
        + (f"\noutput: {out}" if out else "")
        + "\nnothing has been written",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

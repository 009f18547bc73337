"""The last piece of work on a unit, where it is asked for: its pixel mixes, made from its finished shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.atomic import Staged, staged_file
from medcutmix_pipeline.pipeline.identity import pixel_key
from medcutmix_pipeline.pipeline.layout import Outcome
from medcutmix_pipeline.stages.pixel.bake import pixel_mixes
from medcutmix_pipeline.stages.shards.tar import read_tar, write_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medcutmix_pipeline.pipeline.tasks import Context


@dataclass(frozen=True)
class PixelTask:
    """Bake the pixel mixes of one unit."""

    unit: str
    plans: int
    key: str

    @property
    def name(self) -> str:
        """The name under which it is marked done; no unit's own ends in this."""
        return f"{self.unit}.pixel"


def pixel_tasks(context: Context, units: Iterable[str]) -> Iterator[PixelTask]:
    """What there is to bake of the units, whose shards all stand; nothing where none is asked for.

    A key names the bytes of the shard, so that these mixes are made anew when it changes, and it need not be made anew
    when they are asked for later.
    """
    if not context.config.shards.pixel:
        return
    for unit in units:
        facts = context.layout.facts(unit) or {}
        if facts["plans"]:
            yield PixelTask(unit, facts["plans"], pixel_key(context, facts["sha256"]["tar"]))


def bake_unit(context: Context, task: PixelTask) -> Outcome:
    """Write the pixel mixes of a unit. Holds the shard's files and one mix in memory."""
    layout, config = context.layout, context.config
    samples = [files for _, files in read_tar(layout.shard(task.unit))]
    files: list[Staged] = []
    with staged_file(layout.pixel(task.unit), context.staging, files) as (out, tar):
        places = write_tar(out, pixel_mixes(samples, config.shards, config.seed))
    pixel = {"mixes": len(places), "bytes": tar.bytes, "sha256": tar.sha256}
    return Outcome(task.name, task.key, {"plans": task.plans, "pixel": pixel, "rejects": {}}, files)
